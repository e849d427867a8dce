"""What was had and used, as people read it: over a stretch of time, and in reports of whole days."""

from collections.abc import Sequence
from datetime import timedelta

from rich.console import Group, RenderableType
from rich.text import Text

from dure import times, wire
from dure.render.view import View, table

_NUMBERS = ("LEASES", "GPU-SECONDS", "GPU-HOURS", "BUSY", "IDLE", "UNKNOWN", "LOST", "UTILISED", "ENERGY")
"""Busy, idle and unknown are GPU-seconds too, and add up to the leased ones."""

_DROP = ("GPU-HOURS", "LEASES", "LOST", "IDLE")
_KEYS: tuple[wire.ReportCut, ...] = ("day", "group", "company", "pool", "lease")
_NOTHING = Text("nothing was leased")


def usage(found: wire.Usage, view: View) -> RenderableType:
    """By company and pool, with the sum."""
    head = Text(f"from {times.show_instant(found.since, view.zone)} to {times.show_instant(found.until, view.zone)}")
    if not found.rows:
        return Group(head, _NOTHING)
    rows = [(row.company, row.pool, *_numbers(row, view)) for row in found.rows]
    if len(rows) > 1:
        rows.append(("all", "", *_numbers(_sum(found.rows), view)))
    columns = ("COMPANY", "POOL", *_NUMBERS)
    return Group(head, table(*columns, rows=lambda _: rows, view=view, right=_NUMBERS, drop=_DROP))


def report(found: wire.UsageReport, view: View) -> RenderableType:
    """By what it is cut by, with the total."""
    last = found.until - timedelta(days=1)
    days = f"{found.since}" if last == found.since else f"{found.since} to {last}, both included"
    head = Text(f"{days}; days of {found.zone}, as of {times.show_instant(found.at, view.zone)}")
    if not found.rows:
        return Group(head, _NOTHING)
    keys = [name for name in _KEYS if name in found.by or ("lease" in found.by and name in ("company", "pool"))]
    rows = [
        (*(str(getattr(row, name)) for name in keys), *_numbers(row, view), _memory(row, view)) for row in found.rows
    ]
    if found.total is not None and len(rows) > 1:
        rows.append(("all", *("" for _ in keys[1:]), *_numbers(found.total, view), _memory(found.total, view)))
    numbers = (*_NUMBERS, "MEMORY")
    columns = (*(name.upper() for name in keys), *numbers)
    return Group(head, table(*columns, rows=lambda _: rows, view=view, right=numbers, drop=("MEMORY", *_DROP)))


def _numbers(of: wire.Used, view: View) -> tuple[str, ...]:
    seen = of.busy_gpu_seconds + of.idle_gpu_seconds
    return (
        str(of.leases),
        str(of.leased_gpu_seconds),
        f"{of.leased_gpu_seconds / 3600:.2f}",
        str(of.busy_gpu_seconds),
        str(of.idle_gpu_seconds),
        str(of.unknown_gpu_seconds),
        str(of.lost_gpu_seconds),
        f"{100 * of.busy_gpu_seconds // seen} %" if seen else view.none,
        f"{of.energy_joules / 3_600_000:.2f} kWh" if of.energy_joules is not None else view.none,
    )


def _memory(of: wire.ReportSum, view: View) -> str:
    return view.none if of.memory_bytes is None else f"{of.memory_bytes / (1 << 30):.1f} GiB"


def _sum(rows: Sequence[wire.Used]) -> wire.Used:
    energies = [row.energy_joules for row in rows if row.energy_joules is not None]
    counted = [name for name in wire.Used.model_fields if name != "energy_joules"]
    return wire.Used(
        **{name: sum(getattr(row, name) for row in rows) for name in counted},
        energy_joules=sum(energies) if energies else None,
    )
