"""The fleet live on one screen: what matters most first, and as much of the rest as fits."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from rich.console import Group, RenderableType
from rich.text import Text

from dure import fleet_now, times, wire
from dure.fleet_now import Top
from dure.render.view import Cells, View, table

T = TypeVar("T")

KEYS = "q quits, r looks again"
ALL = 1 << 30
"""Of where no screen ends: a file has room for everything."""


HEAD = 3
"""Lines of the head of the screen, one of which breaks where it is narrow."""

ABOVE = 3
"""Lines above the rows of each part: a blank, its heading and its columns' names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The newest answer, when it was had, and why none was had since; `away` is None while there are answers."""

    top: Top | None = None
    heard: datetime | None = None
    away: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many rows each part has."""

    pools: int
    edges: int
    companies: int
    queued: int
    nodes: int

    @classmethod
    def of(cls, height: int | None, found: Top) -> "Room":
        """Of a screen of so many lines; None where all of it may be shown. What a part leaves is the nodes'."""
        if height is None:
            return cls(pools=ALL, edges=10, companies=ALL, queued=10, nodes=ALL)
        there = [len(found.pools), len(fleet_now.edges(found)), len(fleet_now.companies(found)), len(found.queued)]
        parts = sum(count > 0 for count in (*there, len(found.nodes or ())))
        left = max(len(there), height - HEAD - parts * ABOVE)
        pools, edges, companies, queued = (
            min(count, max(1, left // share)) for count, share in zip(there, (3, 4, 5, 6), strict=True)
        )
        nodes = max(1, left - pools - edges - companies - queued)
        return cls(pools=pools, edges=edges, companies=companies, queued=queued, nodes=nodes)


def screen(seen: Seen, view: View, *, interval_s: int, height: int) -> RenderableType:
    """A whole screen of `height` lines, also where nothing was heard yet."""
    head = [_title(view, interval_s), _heard(seen, view)]
    if seen.top is None:
        return Group(*head)
    return Group(*head, *_parts(seen.top, Room.of(height, seen.top), view))


def frame(found: Top, view: View) -> RenderableType:
    """One look, for a file or a screen that scrolls."""
    return Group(*_parts(found, Room.of(None, found), view), Text(), view.caption())


def _title(view: View, interval_s: int) -> Text:
    now = view.now.astimezone(view.zone)
    return Text(
        f"dure top  {now:%H:%M:%S} {now.tzname()}  every {times.show_duration(interval_s)}  {KEYS}", style="bold"
    )


def _heard(seen: Seen, view: View) -> Text:
    if seen.away is None:
        return Text("" if seen.top is not None else "asking the API")
    if seen.heard is None:
        return Text(f"no answer yet: {seen.away}; trying again", style="yellow")
    at = seen.heard.astimezone(view.zone)
    since = times.show_distance(min(seen.heard, view.now), view.now)
    return Text(
        f"no answer since {at:%H:%M:%S} ({since}), this is from then: {seen.away}; trying again", style="yellow"
    )


def _parts(found: Top, room: Room, view: View) -> Iterator[RenderableType]:
    if not found.pools:
        yield Text("no pools: an admin adds one with dure pool add")
        return
    yield from _part("pools", fleet_now.pools(found, view.now), room.pools, _pools, view)
    yield from _part("next", fleet_now.edges(found), room.edges, _edges, view)
    yield from _part("companies", fleet_now.companies(found), room.companies, _companies, view)
    yield from _part("queue", found.queued, room.queued, _queue, view)
    yield from _part("nodes", fleet_now.nodes(found, view.now), room.nodes, _nodes, view)


def _part(
    name: str, found: Sequence[T], room: int, made: Callable[[Sequence[T], View], RenderableType], view: View
) -> Iterator[RenderableType]:
    """A heading, and a table of as many as there is room for."""
    if not found:
        return
    more = f" ({room} of {len(found)})" if len(found) > room else ""
    yield Text(f"\n{name}{more}", style="bold")
    yield made(found[:room], view)


def _pools(found: Sequence[fleet_now.PoolNow], view: View) -> RenderableType:
    return table(
        *("POOL", "GPUS", "FREE", "HELD", "CLEANING", "SICK", "DRAINING", "QUEUED"),
        rows=lambda view: [
            (
                one.name,
                str(one.gpus),
                Text(str(one.free), "green" if one.free else ""),
                str(one.held),
                str(one.cleaning),
                Text(str(one.sick), "red" if one.sick else ""),
                view.none if one.draining is None else str(one.draining),
                str(one.queued),
            )
            for one in found
        ],
        view=view,
        right=("GPUS", "FREE", "HELD", "CLEANING", "SICK", "DRAINING", "QUEUED"),
        drop=("CLEANING", "DRAINING", "GPUS", "QUEUED"),
    )


def _edges(found: Sequence[fleet_now.Edge], view: View) -> RenderableType:
    return table(
        *("WHAT", "WHEN", "POOL", "GPUS", "COMPANY", "LEASE"),
        rows=lambda view: [
            (
                "starts" if one.starts else "ends",
                times.show_distance(one.at, view.now),
                one.pool,
                str(one.gpus),
                one.company or view.none,
                one.lease or view.none,
            )
            for one in found
        ],
        view=view,
        right=("GPUS",),
        drop=("LEASE", "COMPANY", "POOL"),
    )


def _companies(found: Sequence[fleet_now.CompanyNow], view: View) -> RenderableType:
    return table(
        *("COMPANY", "LEASES", "GPUS", "BUSY", "NEXT END"),
        rows=lambda view: [
            (one.name, str(one.leases), str(one.gpus), _percent(one.busy_percent, view), _until(one.next_end, view))
            for one in found
        ],
        view=view,
        right=("LEASES", "GPUS", "BUSY"),
        drop=("LEASES", "NEXT END"),
    )


def _queue(found: Sequence[wire.Lease], view: View) -> RenderableType:
    return table(
        *("WAITS", "POOL", "GPUS", "COMPANY", "EXPECTED", "LEASE"),
        rows=lambda view: [
            (
                times.show_span(max(0, int((view.now - one.asked_at).total_seconds()))),
                one.pool,
                str(one.shape.total),
                one.company,
                view.none if one.estimated_start is None else _until(one.estimated_start, view),
                one.id,
            )
            for one in found
        ],
        view=view,
        right=("GPUS",),
        drop=("LEASE", "EXPECTED", "POOL"),
    )


def _nodes(found: Sequence[fleet_now.NodeNow], view: View) -> RenderableType:
    return table(
        *("NODE", "STATE", "GPUS", "FREE", "HELD", "SICK", "BUSY", "HOTTEST", "REPORTED"),
        rows=lambda view: [_node(one, view) for one in found],
        view=view,
        right=("GPUS", "FREE", "HELD", "SICK", "BUSY", "HOTTEST"),
        drop=("REPORTED", "HOTTEST", "GPUS", "HELD", "BUSY", "FREE"),
    )


def _node(one: fleet_now.NodeNow, view: View) -> Cells:
    state = f"{one.state}, drained" if one.drained else str(one.state)
    return (
        one.name,
        Text(state, "red" if one.state is wire.NodeState.UNKNOWN else "yellow" if one.drained else ""),
        str(one.gpus),
        str(one.free),
        str(one.held),
        Text(str(one.sick), "red" if one.sick else ""),
        _percent(one.busy_percent, view),
        view.none if one.hottest_celsius is None else f"{one.hottest_celsius} C",
        "never" if one.silent_s is None else f"{times.show_span(one.silent_s)} ago",
    )


def _percent(value: int | None, view: View) -> str:
    return view.none if value is None else f"{value} %"


def _until(at: datetime, view: View) -> str:
    return times.show_distance(at, view.now)
