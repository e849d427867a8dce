"""What may be said of an ask that is not sent yet, so that it is still true when it is.

An ask is decided at the next whole second, so one that follows its quote within `HOLDS_S` is decided at that second or the
one after it. Neither alone will do: what fits now is promised a second less than what fits the second after, and what fits
only the second after starts at once then, without the slack that it is promised now.
"""

from scheduler.core.book import Book
from scheduler.core.decide import foretold
from scheduler.core.model import Ask, Instant, Promise, Queued, Verdict

HOLDS_S = 1


def quote(book: Book, ask: Ask, now: Instant) -> Verdict:
    """What the ask gets at the latest, sent within `HOLDS_S` of `now` with nothing decided between.

    Once its window is over it gets nothing, and the caller says so; here that counts for nothing.
    """
    last = now + HOLDS_S
    ends = ask.start if ask.start_by is None else ask.start_by
    if ends is not None:
        last = max(now, min(last, ends))
    verdicts = [foretold(book, ask, Instant(at)) for at in range(now, last + 1)]
    return max(verdicts, key=_worth)


def _worth(verdict: Verdict) -> tuple[int, int, int]:
    """The more, the less it is worth; of equals the first is said. An ask with a least may get more or less by the same start."""
    match verdict:
        case Promise():
            return 0, verdict.promised, -sum(gpus for _, gpus in verdict.placement)
        case Queued():
            return 1, 0, 0
        case _:
            return 2, 0, 0
