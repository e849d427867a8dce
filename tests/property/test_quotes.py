"""Whatever a pool has lived through and whatever its rule: an ask that follows its quote within a second keeps it."""

from hypothesis import event, given, settings

from scheduler.core.decide import decide
from scheduler.core.model import Ask, Instant, LeaseId, Policy, Promise, Queued, Refusal
from scheduler.core.quotes import HOLDS_S, quote
from scheduler.core.replan import replan
from tests.effort import examples
from tests.property.lives import One, Step, bad_days, ones, policies
from tests.property.pool import Pool


@settings(max_examples=examples(400), deadline=None)
@given(policies, bad_days, ones)
def test_an_ask_within_a_second_of_its_quote_is_promised_no_later(policy: Policy, history: list[Step], asked: One):
    pool = Pool(policy=policy)
    for step in history:
        pool.live(step)
    ask = asked.at(pool.now)
    said = quote(pool.book, ask, pool.now)
    event(type(said).__name__)
    for later in range(HOLDS_S + 1):
        at = Instant(pool.now + later)
        if _over(ask, at):
            continue
        decided = decide(pool.book, [(LeaseId("lea_quoted"), ask)], at)
        [got] = decided.verdicts
        if isinstance(said, Promise):
            assert isinstance(got, Promise)
            assert got.promised <= said.promised
            again = replan(decided.book, (), at).book.leases[LeaseId("lea_quoted")]
            assert (again.starts_at or 0) <= said.promised
        elif isinstance(said, Queued):
            assert not isinstance(got, Refusal)


def _over(ask: Ask, at: Instant) -> bool:
    last = ask.start if ask.start_by is None else ask.start_by
    return last is not None and last < at
