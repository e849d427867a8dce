"""The ledger as people read it: an entry a row, and what adding it up again came to."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.text import Text

from dure import times, wire
from dure.render.view import View, facts, table, timed


def entries(found: Iterable[wire.LedgerEntry], view: View) -> RenderableType:
    """Newest first; amounts in GPU-seconds, which add up."""
    shown = list(found)
    if not shown:
        return Text("nothing was granted or committed, or nothing like that")
    of_periods = any(one.period for one in shown)
    columns = (
        "NO",
        *(("PERIOD FROM",) if of_periods else ()),
        "AT",
        "WHAT",
        "GPU-SECONDS",
        "GPU-HOURS",
        "FROM",
        "TO",
        "LEASE",
        "CAUSE",
        "WHO",
    )
    balances = ("AVAILABLE", "COMMITTED", "SPENT")
    made = table(
        *columns,
        *balances,
        rows=lambda view: [_row(one, view, of_periods=of_periods) for one in shown],
        view=view,
        right=("NO", "GPU-SECONDS", "GPU-HOURS", *balances),
        loose=("CAUSE",),
        drop=("GPU-HOURS", "WHO", "SPENT", "AVAILABLE"),
    )
    return timed(made, view)


def _row(one: wire.LedgerEntry, view: View, *, of_periods: bool) -> tuple[str, ...]:
    period = view.none if one.period is None else view.short(one.period.begins_at)
    return (
        str(one.number),
        *((period,) if of_periods else ()),
        view.short(one.at),
        one.kind,
        str(one.gpu_seconds),
        _hours(one.gpu_seconds),
        one.debit,
        one.credit,
        one.lease or view.none,
        one.cause if one.reason is None else f"{one.cause}: {one.reason}",
        one.actor or view.none,
        str(one.after.available_gpu_seconds),
        str(one.after.committed_gpu_seconds),
        str(one.after.spent_gpu_seconds),
    )


def entry(found: wire.LedgerEntry, view: View) -> RenderableType:
    """One, with the balances after it."""
    return facts(
        [
            ("entry", f"{found.number} of {found.company} in {found.pool}{_of(found.period, view)}"),
            ("at", view.full(found.at)),
            ("what", f"{found.kind}: {_amount(found.gpu_seconds)} from {found.debit} to {found.credit}"),
            ("why", found.cause if found.reason is None else f"{found.cause}: {found.reason}"),
            ("who", found.actor or view.none),
            *_balances(found.after),
        ]
    )


def check(found: wire.LedgerCheck, view: View) -> RenderableType:
    """That it adds up, with the sums; or first what does not."""
    looked = f"{found.entries} entries, {found.accounts} accounts, {found.leases} leases"
    sums = facts([("looked at", looked), *_balances(found.sums)])
    if not found.faults:
        return Group(Text("the ledger adds up", style="bold"), sums)
    wrong = [(_where(one, view), one.lease or view.none, one.detail) for one in found.faults]
    head = Text("the ledger does NOT add up", style="bold")
    return Group(head, table("WHERE", "LEASE", "WHAT", rows=lambda _: wrong, view=view, loose=("WHERE", "WHAT")), sums)


def _where(one: wire.LedgerFault, view: View) -> str:
    number = "" if one.number is None else f", entry {one.number}"
    return f"{one.company}/{one.pool}{_of(one.period, view)}{number}"


def _of(period: wire.LedgerPeriod | None, view: View) -> str:
    return "" if period is None else f" from {times.show_instant(period.begins_at, view.zone)}"


def _balances(found: wire.LedgerBalances) -> list[tuple[str, str]]:
    return [
        ("granted", _amount(found.granted_gpu_seconds)),
        ("available", _amount(found.available_gpu_seconds)),
        ("committed", _amount(found.committed_gpu_seconds)),
        ("spent", _amount(found.spent_gpu_seconds)),
        ("expired", _amount(found.expired_gpu_seconds)),
    ]


def _amount(gpu_seconds: int) -> str:
    return f"{gpu_seconds} GPU-seconds ({_hours(gpu_seconds)} GPU-hours)"


def _hours(gpu_seconds: int) -> str:
    return f"{gpu_seconds / 3600:.2f}"
