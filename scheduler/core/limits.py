"""What is refused whoever else has what: an ask larger, longer, further ahead or more than its company's own limits allow.

Each refusal says the limit, what stands against it, and the most that there could be.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from scheduler.core.asking import Case, Numbers
from scheduler.core.book import Draft
from scheduler.core.budget import bounded, starts
from scheduler.core.model import Code, Refusal, Shape, Total
from scheduler.core.shapes import most

_Check = Callable[[Case], Numbers | None]


def beyond_limits(case: Case) -> Refusal | None:
    """The first limit of its company that the ask is beyond."""
    for code, check in _CHECKS:
        if (numbers := check(case)) is not None:
            return Refusal(code=code, numbers=case.numbers() | numbers)
    return None


def fits_empty_pool(draft: Draft, shape: Shape) -> bool:
    """Whether the pool could hold the shape on a good day, with nobody else in it."""
    if isinstance(shape, Total):
        return shape.gpus <= draft.nominal
    good_day = draft.good_day
    return len(good_day) >= shape.nodes and good_day[shape.nodes - 1] >= shape.gpus_per_node


def could(case: Case) -> Numbers:
    """What could be had of a shape that can never be. Of what waits in the queue only the code is told, each time that it is
    decided again.
    """
    found = case.instead()
    return found.largest() if case.waited else found.largest() | found.of_largest()


def _too_large(case: Case) -> Numbers | None:
    return could(case) if case.ask.shape.gpus > case.limit_gpus else None


def _too_long(case: Case) -> Numbers | None:
    longest_s = case.quota.longest_s
    if longest_s is None or case.ask.duration_s <= longest_s:
        return None
    return {"longest_s": longest_s} | _shorter(case, longest_s)


def _too_far_ahead(case: Case) -> Numbers | None:
    furthest_s, ask = case.quota.furthest_s, case.ask
    if furthest_s is None or ask.start is None or ask.start <= case.now + furthest_s:
        return None
    return {"furthest_s": furthest_s, "furthest_start": case.now + furthest_s} | case.instead().of_asked()


def _over_budget(case: Case) -> Numbers | None:
    """More than its periods have with nothing spent or booked, wherever the box lies."""
    periods, ask = case.quota.periods, case.ask
    if not periods or _has_period(case, ask.duration_s):
        return None
    longest_s = most(lambda duration_s: _has_period(case, duration_s), ask.duration_s)
    largest = max(period.gpu_seconds for period in periods)
    numbers: Numbers = {"asked_gpu_seconds": ask.shape.gpus * ask.duration_s, "budget_gpu_seconds": largest}
    return numbers | ({"longest_s": longest_s} | _shorter(case, longest_s) if longest_s else {})


def _has_period(case: Case, duration_s: int) -> bool:
    whole = bounded((one.begins_at, one.ends_at, one.gpu_seconds) for one in case.quota.periods)
    last = case.now + case.draft.policy.horizon_s - duration_s
    return any(first <= last and case.lo <= end for first, end in starts(whole, case.ask.shape.gpus, duration_s))


def too_many_open(case: Case) -> Numbers | None:
    """As many asks as its company may have open; what stands against it."""
    limit = case.quota.open_asks
    if limit is None or case.waited or (has := case.standing.waiting + case.ask.queued_already) < limit:
        return None
    return {"open_asks": has, "limit_open_asks": limit}


def _shorter(case: Case, duration_s: int) -> Numbers:
    """What would be had of the same for so long; nothing is worked out for what waits."""
    if case.waited:
        return {}
    last = case.now + case.draft.policy.horizon_s - duration_s
    return replace(case.instead(), ask=replace(case.ask, duration_s=duration_s), last=last).of_asked()


_CHECKS: Iterable[tuple[Code, _Check]] = (
    (Code.QUOTA_EXCEEDED, _too_large),
    (Code.TOO_LONG, _too_long),
    (Code.TOO_FAR_AHEAD, _too_far_ahead),
    (Code.BUDGET_EXCEEDED, _over_budget),
    (Code.TOO_MANY_OPEN, too_many_open),
)
