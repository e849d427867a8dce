"""Limits of one quota that leave each other no use: what cannot be meant together, and what is never reached.

0 GPUs at once alone is no clash: it closes the pool. Nor is it one to close it for a while to a company whose other limits
stay. So what cannot be meant together is refused only where the limit that has no use is said anew; where it was there
before, and where a limit merely is never reached, it is taken with a warning.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dure import times, wire
from dure.quota_words import show_budget, show_gpu_seconds
from dure.wire.values import HORIZON_S

_HOUR_S, _DAY_S = 3600, 86_400

_PERIOD_S = {
    "week": (7 * _DAY_S - _HOUR_S, 7 * _DAY_S + _HOUR_S),
    "month": (28 * _DAY_S - _HOUR_S, 31 * _DAY_S + _HOUR_S),
}
"""The shortest and the longest, by an hour where clocks change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clash:
    """`field` is the limit that has no use, `said` why and what to do; `numbers` are those of both limits.

    With `is_contradiction` it gives what the other one forbids; else it is merely never reached.
    """

    field: str
    said: str
    numbers: dict[str, int]
    is_contradiction: bool = False


def clashes(quota: wire.QuotaSet) -> Iterator[Clash]:
    """Every limit of a quota that another one leaves no use."""
    if quota.gpus == 0:
        yield from _of_closed(quota)
        return
    yield from _of_ahead(quota)
    if quota.budget is not None:
        yield from _of_budget(quota, quota.budget)


def contradictions(before: wire.QuotaSet | None, after: wire.QuotaSet) -> list[Clash]:
    """What `after` says anew and cannot mean beside the rest of it."""
    return [
        one
        for one in clashes(after)
        if one.is_contradiction and (before is None or getattr(before, one.field) != getattr(after, one.field))
    ]


def _of_closed(quota: wire.QuotaSet) -> Iterator[Clash]:
    if quota.budget is not None and quota.budget.gpu_seconds:
        number = {"budget_gpu_seconds": quota.budget.gpu_seconds}
        yield _for_nothing("budget", show_budget(quota.budget), number)
    if ahead := quota.ahead_gpu_seconds:
        yield _for_nothing("ahead_gpu_seconds", show_gpu_seconds(ahead), {"ahead_gpu_seconds": ahead})
    for field, seconds in (("longest_s", quota.longest_s), ("furthest_s", quota.furthest_s)):
        if seconds is not None:
            said = f"{times.show_duration(seconds)} limits nothing while gpus is 0: the pool is closed to the company"
            yield Clash(field=field, said=said, numbers={"gpus": 0, field: seconds})


def _for_nothing(field: str, shown: str, number: dict[str, int]) -> Clash:
    said = (
        f"nothing of {shown} can be had while gpus is 0, which closes the pool to the company: say more GPUs at once, or "
        "take it away (none, by HTTP null)"
    )
    return Clash(field=field, said=said, numbers={"gpus": 0, **number}, is_contradiction=True)


def _of_ahead(quota: wire.QuotaSet) -> Iterator[Clash]:
    ahead = quota.ahead_gpu_seconds
    if not ahead:
        return
    shown, number = show_gpu_seconds(ahead), {"ahead_gpu_seconds": ahead}
    if quota.furthest_s == 0:
        said = (
            f"nothing of {shown} can be booked while furthest is 0s, by which every lease starts at once: say how far "
            "ahead a start may be, or take it away (none, by HTTP null)"
        )
        numbers = {"furthest_s": 0, **number}
        yield Clash(field="ahead_gpu_seconds", said=said, numbers=numbers, is_contradiction=True)
        return
    furthest_s, longest_s = (HORIZON_S if found is None else found for found in (quota.furthest_s, quota.longest_s))
    most = quota.gpus * min(HORIZON_S, furthest_s + longest_s)
    if ahead >= most:
        said = f"{shown} is never reached: {_gpus(quota)} to {show_gpu_seconds(most)} by then"
        yield Clash(
            field="ahead_gpu_seconds", said=said, numbers=number | {"gpus": quota.gpus, "most_gpu_seconds": most}
        )


def _of_budget(quota: wire.QuotaSet, budget: wire.Budget) -> Iterator[Clash]:
    amount, shown, (shortest_s, period_s) = budget.gpu_seconds, show_budget(budget), _period_s(budget)
    number = {"budget_gpu_seconds": amount}
    if amount == 0:
        said = f"of {shown} nothing can be reserved, whatever gpus says, save what an admin adjusts"
        yield Clash(field="budget", said=said, numbers=number | {"gpus": quota.gpus})
        return
    most = quota.gpus * period_s
    if amount >= most:
        said = f"{shown} is never reached: {_gpus(quota)} to at most {show_gpu_seconds(most)} in a {budget.period}"
        yield Clash(field="budget", said=said, numbers=number | {"gpus": quota.gpus, "most_gpu_seconds": most})
    if quota.longest_s is None or budget.carries_over or amount >= shortest_s:
        return
    # One GPU from late in one period until early in the next.
    longest_s = amount if budget.period == "term" else 2 * amount
    if quota.longest_s > longest_s:
        said = f"{times.show_duration(quota.longest_s)} is never reached: {shown} is at most {times.show_duration(longest_s)} for one GPU"
        yield Clash(field="longest_s", said=said, numbers=number | {"longest_s": quota.longest_s})


def _period_s(budget: wire.Budget) -> tuple[int, int]:
    """How long a period is, at least and at most."""
    if budget.begins_at is None or budget.ends_at is None:
        return _PERIOD_S[budget.period]
    seconds = int((budget.ends_at - budget.begins_at).total_seconds())
    return seconds, seconds


def _gpus(quota: wire.QuotaSet) -> str:
    return "1 GPU at once comes" if quota.gpus == 1 else f"{quota.gpus} GPUs at once come"
