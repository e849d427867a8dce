"""A pool over time as text that one reads at a glance: a row a node, a column a stretch of time, the darker the fuller."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from rich.console import Group, RenderableType
from rich.text import Text

from dure import times, wire
from dure.render.leases import state
from dure.render.maintenance import AT_ONCE, planned
from dure.render.view import View, table, timed

STRETCHES_S = (
    *(1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10800, 21600, 43200),
    *(86_400, 172_800, 604_800, 1_209_600),
)
"""What a column may stand for, in seconds."""

MOST_COLUMNS = 96
MOST_BOOKINGS = 20
_LABEL = 8
"""Columns between two marks of the ruler, so that their labels stay apart."""

_SHADES, _PLAIN_SHADES = "·░▒▓█", ".-+*#"
_STYLES = ("green", "", "", "yellow", "red")
_OUT, _PLAIN_OUT = "×", "x"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The columns: `[since + i * stretch, since + (i + 1) * stretch)`."""

    since: datetime
    until: datetime
    stretch: timedelta

    @classmethod
    def of(cls, since: datetime, until: datetime, columns: int) -> "Grid":
        span = max(1, int((until - since).total_seconds()))
        fitting = (stretch for stretch in STRETCHES_S if -(-span // stretch) <= columns)
        return cls(since=since, until=until, stretch=timedelta(seconds=next(fitting, -(-span // columns))))

    @property
    def starts(self) -> list[datetime]:
        count = -((self.since - self.until) // self.stretch)
        return [self.since + number * self.stretch for number in range(count)]

    def first(self, now: datetime) -> datetime:
        """The instant of which it is said how much is free: now, or where it begins later than that, then."""
        return max(self.since, now) if self.begins_now(now) else self.since

    def begins_now(self, now: datetime) -> bool:
        return self.since <= now + AT_ONCE

    def marks(self, view: View) -> Iterator[tuple[int, str]]:
        """Column and label of each round local time on the ruler."""
        wanted = _LABEL * self.stretch.total_seconds()
        step = timedelta(seconds=next((s for s in STRETCHES_S if s >= wanted and s != 604_800), 28 * 86_400))
        at = datetime.combine(self.since.astimezone(view.zone).date(), time())
        while (instant := at.replace(tzinfo=view.zone)).astimezone(self.since.tzinfo) < self.until:
            if instant.astimezone(self.since.tzinfo) >= self.since:
                label = f"{at:%H:%M}" if at.time() != time() else f"{at:%a} {at.day}"
                yield int((instant.astimezone(self.since.tzinfo) - self.since) / self.stretch), label
            at += step


@dataclass(frozen=True, slots=True)
class Row:
    """A node over time, or all of them."""

    name: str
    capacity: int
    steps: Sequence[wire.FreeStep]
    drains: Sequence[wire.Drain] = ()
    state: wire.NodeState = wire.NodeState.OK


def calendar(found: wire.Calendar, view: View) -> RenderableType:
    """The nodes over time, a legend, and the bookings in their order."""
    names = max([len(node.node) for node in found.nodes] + [len("all nodes")]) + 2
    grid = Grid.of(found.since, found.until, max(12, min(MOST_COLUMNS, view.width - names - 12)))
    rows = [Row(node.node, node.capacity, node.steps, node.drains, node.state) for node in found.nodes]
    if len(rows) > 1:
        heard = (node for node in found.nodes if node.state is wire.NodeState.OK)  # as in the pool's capacity
        rows.append(Row("all nodes", found.capacity, _sum(heard)))
    if (kept := found.walk_in) is not None:
        rows.append(Row(_AHEAD, kept.limit_gpus, kept.steps))
    lines = [_line(row, names, grid, view) for row in rows]
    head = Text(f"{found.pool}: {found.capacity} GPUs, from {times.show_instant(found.since, view.zone)}", style="bold")
    if not found.nodes:
        return Group(head, Text("no node has reported GPUs for it yet"))
    seen = [drain for row in rows for drain in row.drains if _meets(drain, found.since, found.until)]
    said = [] if found.walk_in is None else [_walk_in(found.walk_in, view)]
    out = [Text(f"{drain.node} is out of service {planned(drain, view)}") for drain in seen]
    legend = _legend(grid, names, view, drains=bool(seen))
    return Group(head, _ruler(grid, names, view), *lines, legend, *said, *out, Text(), bookings(found, view))


_AHEAD = "ahead"
"""The row of what may still be booked ahead."""


def _walk_in(kept: wire.WalkInCalendar, view: View) -> Text:
    near = times.show_instant(kept.near_until, view.zone)
    return Text(
        f"{_AHEAD}: what may still be booked for a start after {near}; {kept.gpus} GPUs are kept for starts within "
        f"{times.show_duration(kept.within_s)}"
    )


def bookings(found: wire.Calendar, view: View) -> RenderableType:
    """Who has what when. Other companies' leases show times and sizes alone."""
    inside = sorted(found.bookings, key=lambda one: (one.starts_at, one.ends_at, one.lease or ""))
    if not inside:
        return Text("nothing is booked in it")
    made = table(
        *("FROM", "TO", "GPUS", "COMPANY", "STATE", "LEASE"),
        rows=lambda view: [booking(one, view) for one in inside[:MOST_BOOKINGS]],
        view=view,
        right=["GPUS"],
        drop=("COMPANY", "GPUS"),
    )
    rest = len(inside) - MOST_BOOKINGS
    return Group(timed(made, view), *([Text(f"and {rest} more; --json has them all")] if rest > 0 else []))


def booking(one: wire.Booking, view: View) -> tuple[str | Text, ...]:
    """The cells of a booking: from, to, GPUs, company, state, lease."""
    starts, ends = view.short(one.starts_at), view.short(one.ends_at)
    return starts, ends, str(one.gpus), one.company or "another", state(one.state), one.lease or view.none


def least_free(steps: Sequence[wire.FreeStep], start: datetime, end: datetime) -> int:
    """The fewest GPUs free at any instant of `[start, end)`."""
    first = max(0, bisect_right(steps, start, key=lambda step: step.at) - 1)
    inside = [step.free for step in steps[first:] if step.at < end]
    return min(inside, default=0)


def _sum(nodes: Iterable[wire.NodeCalendar]) -> list[wire.FreeStep]:
    changes: dict[datetime, int] = {}
    for node in nodes:
        before = 0
        for step in node.steps:
            changes[step.at] = changes.get(step.at, 0) + step.free - before
            before = step.free
    free, made = 0, list[wire.FreeStep]()
    for at in sorted(changes):
        free += changes[at]
        made.append(wire.FreeStep(at=at, free=free))
    return made


def _line(row: Row, names: int, grid: Grid, view: View) -> Text:
    line = Text(f"{row.name:<{names}}")
    for start in grid.starts:
        line.append(*_cell(row, start, min(start + grid.stretch, grid.until), view))
    first = grid.first(view.now)
    free = least_free(row.steps, first, first + timedelta(seconds=1))
    return line.append(f"  {free}/{row.capacity}{_standing(row, first)}")


def _cell(row: Row, start: datetime, end: datetime, view: View) -> tuple[str, str]:
    """The mark of a column and its style. Out of service comes before taken: nobody else can be there then."""
    if any(_meets(drain, start, end) for drain in row.drains):
        return _PLAIN_OUT if view.plain else _OUT, "magenta"
    shade = _shade(row.capacity, least_free(row.steps, start, end))
    return (_PLAIN_SHADES if view.plain else _SHADES)[shade], _STYLES[shade]


def _meets(drain: wire.Drain, start: datetime, end: datetime) -> bool:
    return drain.starts_at < end and drain.ends_at > start


def _standing(row: Row, at: datetime) -> str:
    if row.state is not wire.NodeState.OK:
        return f" {row.state}"
    return " drained" if any(drain.starts_at <= at < drain.ends_at for drain in row.drains) else ""


def _shade(capacity: int, free: int) -> int:
    """0 all free, 1 up to a quarter taken, 2 up to half, 3 more, 4 all taken."""
    if capacity == 0 or free <= 0:
        return 4
    return min(3, -(-4 * (capacity - free) // capacity))


def _ruler(grid: Grid, names: int, view: View) -> Text:
    cells = [" "] * len(grid.starts)
    for column, label in grid.marks(view):
        if column + len(label) >= len(grid.starts):
            break
        cells[column : column + len(label) + 1] = ["|" if view.plain else "╷", *label]
    free = "now" if grid.begins_now(view.now) else "then"
    return Text(f"{' ' * names}{''.join(cells)}  free {free}", style="bold")


def _legend(grid: Grid, names: int, view: View, *, drains: bool) -> Text:
    shades = _PLAIN_SHADES if view.plain else _SHADES
    said = ("all free", "to 1/4 taken", "to 1/2", "more", "all taken")
    lines = ["  ".join(f"{shade} {words}" for shade, words in zip(shades, said, strict=True))]
    if drains:
        lines.append(f"{_PLAIN_OUT if view.plain else _OUT} out of service for a part of it at least")
    lines.append(f"a column is {times.show_duration(int(grid.stretch.total_seconds()))}, at its fullest")
    if not grid.begins_now(view.now):
        lines.append(f"free then: at {view.short(grid.since)}")
    return Text("\n".join(f"{' ' * names}{line}" for line in lines), style="dim")
