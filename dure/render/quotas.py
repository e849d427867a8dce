"""Quotas: what companies may hold of pools at once and over time, and what stands against it."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from rich.console import Group, RenderableType
from rich.text import Text

from dure import quota_words, times, wire
from dure.render.view import View, facts, table

_LIMITS = {
    "gpus": "GPUs at once",
    "longest_s": "longest lease",
    "furthest_s": "furthest start",
    "ahead_gpu_seconds": "GPU-hours booked ahead",
    "open_asks": "open asks",
    "budget": "budget",
}


def quotas(found: Iterable[wire.Quota], view: View) -> RenderableType:
    """The limits beside what is held now, what is booked at most at any instant, and what the budget has left."""
    shown = list(found)
    if not shown:
        return Text("no quotas: without one a pool is closed to the company; an admin sets it with dure quota set")
    columns = ("POOL", "QUOTA", "HELD NOW", "BOOKED AT MOST", "BUDGET", "LEFT NOW", "MORE LIMITS")
    made = table(
        *columns,
        rows=lambda _: [_row(one, view) for one in shown],
        view=view,
        right=columns[1:4] + columns[5:6],
        loose=columns[6:],
        drop=("MORE LIMITS",),
    )
    warned = [line for one in shown for line in _warnings(one.warnings, f"pool {one.pool}: ")]
    return Group(made, Text(""), *warned) if warned else made


def quota(found: wire.Quota, view: View, *, dry_run: bool = False, revoke: bool = False) -> RenderableType:
    """One, in full; promises beyond it are named, and those that were taken back or, in a dry run, would be."""
    rows = [
        ("company", found.company),
        ("pool", found.pool),
        ("quota", _at_once(found)),
        ("held now", f"{found.held_gpus} GPUs"),
        ("booked", f"at most {found.booked_gpus} GPUs at any instant"),
        *_limits(found),
    ]
    parts: list[RenderableType] = (
        [Text("this is what would be so; nothing was changed", style="bold")] if dry_run else []
    )
    parts.append(facts(rows))
    if found.warnings:
        parts += [Text(""), *_warnings(found.warnings)]
    if found.periods:
        parts += [Text(""), _periods(found.periods, view)]
    if found.revoked:
        parts += [Text(""), Text(f"taken back: {', '.join(found.revoked)}", style="bold")]
    if found.beyond:
        parts += [Text(""), _beyond(found.beyond, view, dry_run=dry_run, revoke=revoke)]
    return Group(*parts)


def imported(
    found: wire.QuotaImported,
    view: View,
    *,
    dry_run: bool,
    revoke: bool = False,
    places: Mapping[tuple[str | None, str], str] = MappingProxyType({}),
) -> RenderableType:
    """What is different, and which promises are beyond it; `places` are where quotas stand in a file, by company and pool."""
    many, same = len(found.changes) != 1, f"{found.same} as before" if found.same else "none as before"
    would = "would be" if dry_run else "are" if many else "is"
    head = Text(f"{len(found.changes)} quota{'s' if many else ''} {would} different, {same}", style="bold")
    parts: list[RenderableType] = [head]
    if found.changes:
        columns = ("COMPANY", "POOL", "BEFORE", "AFTER", "BEYOND")
        rows = [
            (
                one.company or "(default)",
                one.pool,
                view.none if one.before is None else _said(one.before),
                _said(one.after),
                str(len(one.beyond)),
            )
            for one in found.changes
        ]
        parts.append(table(*columns, rows=lambda _: rows, view=view, right=("BEYOND",), loose=("BEFORE", "AFTER")))
    warned = [line for one in found.changes for line in _warnings(one.warnings, f"{_place(one, places)}: ")]
    if warned:
        parts += [Text(""), *warned]
    beyond = [one for change in found.changes for one in change.beyond if one.lease not in found.revoked]
    if found.revoked:
        parts += [Text(""), Text(f"taken back: {', '.join(found.revoked)}", style="bold")]
    if beyond:
        parts += [Text(""), _beyond(beyond, view, dry_run=dry_run, revoke=revoke)]
    return Group(*parts)


def _place(one: wire.QuotaChange, places: Mapping[tuple[str | None, str], str]) -> str:
    whose = f"{one.company or 'the default'} in pool {one.pool}"
    return places.get((one.company, one.pool), whose)


def _warnings(found: Iterable[wire.FieldError], place: str = "") -> list[Text]:
    return [Text(f"warning: {place}{_LIMITS[one.field]}: {one.message}", style="bold") for one in found]


def no_default(found: wire.QuotaOf) -> RenderableType:
    return Text(f"pool {found.pool} has no default any more; it was {_said(found)}")


def _is_closed(found: wire.Quota) -> bool:
    """It has no quota of its own, and no default opens the pool to it."""
    return found.of_default and found.gpus == 0


def _at_once(found: wire.Quota) -> str:
    if _is_closed(found):
        return "closed: none of its own, and no default of the pool that opens it"
    return f"{found.gpus} GPUs at once{', the default of the pool' if found.of_default else ''}"


def _row(one: wire.Quota, view: View) -> tuple[str, ...]:
    more = [f"{name.replace('_', ' ')} {value}" for name, value in quota_words.limits(one)]
    return (
        one.pool,
        "closed" if _is_closed(one) else f"{one.gpus}{' (default)' if one.of_default else ''}",
        str(one.held_gpus),
        str(one.booked_gpus),
        view.none if one.budget is None else quota_words.show_budget(one.budget),
        _hours(one.periods[0].left_gpu_seconds) if one.periods else view.none,
        ", ".join(more) or view.none,
    )


def _limits(found: wire.Quota) -> Iterable[tuple[str, str]]:
    if found.longest_s is not None:
        yield "longest", f"{times.show_duration(found.longest_s)} a lease"
    if found.furthest_s is not None:
        yield "furthest", f"starts within {times.show_duration(found.furthest_s)}"
    if found.ahead_gpu_seconds is not None:
        booked, most = _hours(found.booked_ahead_gpu_seconds), _hours(found.ahead_gpu_seconds)
        yield "ahead", f"{booked} of {most} GPU-hours booked that have not started"
    if found.open_asks is not None:
        yield "open", f"{found.open} of {found.open_asks} asks"
    if found.budget is not None:
        carried = ", what a period leaves is carried over" if found.budget.carries_over else ""
        zone = f", in {found.budget.zone}" if found.budget.zone else ""
        yield "budget", f"{quota_words.show_budget(found.budget)}{zone}{carried}"


def _periods(found: Sequence[wire.BudgetStanding], view: View) -> RenderableType:
    columns = ("FROM", "UNTIL", "GPU-HOURS", "SPENT", "BOOKED", "LEFT")
    return table(
        *columns,
        rows=lambda view: [
            (
                view.short(one.begins_at),
                view.short(one.ends_at),
                *(
                    _hours(amount)
                    for amount in (
                        one.gpu_seconds,
                        one.spent_gpu_seconds,
                        one.booked_gpu_seconds,
                        one.left_gpu_seconds,
                    )
                ),
            )
            for one in found
        ],
        view=view,
        right=columns[2:],
    )


def _beyond(found: Sequence[wire.Beyond], view: View, *, dry_run: bool, revoke: bool) -> RenderableType:
    if dry_run and revoke:
        fate = "would be taken back"
    else:
        fate = f"{'would be' if dry_run else 'are'} kept; --revoke takes them back"
    head = Text(f"promises beyond it, which {fate}:")
    columns = ("LEASE", "GPUS", "STARTS", "ENDS", "BEYOND")
    made = table(
        *columns,
        rows=lambda view: [
            (one.lease, str(one.gpus), view.short(one.starts_at), view.short(one.ends_at), _LIMITS[one.limit])
            for one in found
        ],
        view=view,
        right=("GPUS",),
    )
    return Group(head, made)


def _said(found: wire.QuotaSet) -> str:
    more = [f"{name.replace('_', ' ')} {value}" for name, value in quota_words.limits(found)]
    if found.budget is not None:
        more += [f"{name.replace('_', ' ')} {value}" for name, value in quota_words.budget_words(found.budget)]
    return ", ".join([f"{found.gpus} GPUs", *more])


def _hours(gpu_seconds: int) -> str:
    return f"{gpu_seconds / 3600:,.2f}"
