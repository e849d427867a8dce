"""The whole house on one screen: how it is, the pools, what is free now, what starts and what ends next."""

from collections.abc import Callable, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from dure import wire
from dure.render import checkups, fleet, maintenance
from dure.render.calendars import booking
from dure.render.view import View, facts, table

SHOWN = 5
"""How many starts and ends, and drains of nodes."""


class Status(wire.Wire):
    """`checkup` is null for whom it is not; `pools` where the database gives no answer."""

    pools: list[wire.Pool] | None
    calendars: list[wire.Calendar]
    checkup: wire.Checkup | None = None


def status(found: Status, server: str, view: View) -> RenderableType:
    """`calendars` hold one calendar of each pool, over the same time."""
    house = [] if found.checkup is None else [checkups.house(found.checkup, server, view), Text()]
    if found.pools is None:
        return Group(*house, Text("pools, leases and nodes cannot be shown until the database is there"))
    return Group(
        *house,
        fleet.pools(found.pools, view),
        Text(),
        *_drains(found.calendars, view),
        *edges(found.calendars, view),
        view.caption(),
    )


def _drains(calendars: Sequence[wire.Calendar], view: View) -> list[RenderableType]:
    """Nodes that are out of service, or will be, each drain once; a node may give GPUs to several pools."""
    there = {one.id: one for calendar in calendars for node in calendar.nodes for one in node.drains}
    found = sorted(there.values(), key=lambda one: (one.starts_at, one.node, one.id))
    if not found:
        return []
    more = f" (of {len(found)})" if len(found) > SHOWN else ""
    rows = [(one.node, f"{maintenance.out(one, view)} {maintenance.planned(one, view)}") for one in found[:SHOWN]]
    return [Text(f"out of service{more}", style="bold"), facts(rows), Text()]


def edges(calendars: Sequence[wire.Calendar], view: View) -> list[RenderableType]:
    """What starts and what ends next."""
    waiting = (wire.LeaseState.SCHEDULED,)
    running = (wire.LeaseState.ACTIVE, wire.LeaseState.ENDING)
    return [
        *_next("starts", calendars, waiting, lambda one: one.starts_at, view),
        Text(),
        *_next("ends", calendars, running, lambda one: one.ends_at, view),
    ]


def _next(
    verb: str,
    calendars: Sequence[wire.Calendar],
    states: tuple[wire.LeaseState, ...],
    when: Callable[[wire.Booking], datetime],
    view: View,
) -> list[RenderableType]:
    found = [(calendar.pool, one) for calendar in calendars for one in calendar.bookings if one.state in states]
    found.sort(key=lambda pair: (when(pair[1]), pair[0], pair[1].lease or ""))
    if not found:
        return [Text(f"nothing {verb} in the next 24h")]
    more = f" (of {len(found)} in 24h)" if len(found) > SHOWN else ""
    head = Text(f"{verb} next{more}", style="bold")
    made = table(
        *("POOL", "FROM", "TO", "GPUS", "COMPANY", "STATE", "LEASE"),
        rows=lambda view: [(pool, *booking(one, view)) for pool, one in found[:SHOWN]],
        view=view,
        right=["GPUS"],
        drop=("STATE", "TO" if verb == "starts" else "FROM", "COMPANY"),
    )
    return [head, made]
