"""How a person looks: their zone, the time, how wide their screen is. And the two forms everything is shown in."""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dure import times

Cells = Sequence[str | Text]

_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z")

_GAP = 2
"""Blanks between two columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """`width` is in columns; `plain` keeps to ASCII; `seconds` is false where short times are cut to minutes."""

    now: datetime
    zone: ZoneInfo
    width: int = 100
    plain: bool = False
    seconds: bool = True

    def full(self, instant: datetime) -> str:
        """With zone, UTC and how far it is: `Tue 2026-11-24 18:00 KST (09:00 UTC), in 2h`."""
        return f"{times.show_instant(instant, self.zone)}, {times.show_distance(instant, self.now)}"

    def past(self, instant: datetime) -> str:
        """The same of what has happened: it may be a second after the time that the command read as it began."""
        return f"{times.show_instant(instant, self.zone)}, {times.show_distance(min(instant, self.now), self.now)}"

    def short(self, instant: datetime | None) -> str:
        """For a column, under a `caption` that names the zone."""
        if instant is None:
            return self.none
        shown = instant if self.seconds else instant.replace(second=0, microsecond=0)
        return times.show_short(shown, self.zone, now=self.now)

    def clause(self, said: str) -> str:
        """What the API says in words, with its times in the person's zone."""
        return _INSTANT.sub(lambda found: times.show_instant(datetime.fromisoformat(found[0]), self.zone), said)

    @property
    def none(self) -> str:
        """What stands where there is nothing."""
        return "-" if self.plain else "–"

    def caption(self) -> Text:
        """Which zone the short times of a table are in."""
        now = self.now.replace(second=0, microsecond=0)
        zone = "UTC" if now.astimezone(self.zone).utcoffset() == timedelta(0) else self.zone.key
        return Text(f"times in {zone}; it is {times.show_instant(now, self.zone)}", style="dim")


def table(
    *columns: str,
    rows: Callable[[View], Iterable[Cells]],
    view: View,
    right: Collection[str] = (),
    loose: Collection[str] = (),
    drop: Sequence[str] = (),
) -> Table:
    """Rows under headings, made to fit the screen: cells are never broken, save those of `loose` columns between words.

    Where it is too narrow, times lose their seconds first, then the columns of `drop` go, in that order.
    """
    made = [list(row) for row in rows(view)]
    if _width(columns, made, loose) > view.width:
        made = [list(row) for row in rows(replace(view, seconds=False))]
    shown = list(columns)
    for column in drop:
        if _width(shown, made, loose) <= view.width:
            break
        at = shown.index(column)
        del shown[at]
        for row in made:
            del row[at]
    fitted = _table(shown, made, right, loose)
    least = _width(shown, made, loose)
    # Better too wide for the screen than broken.
    fitted.width = least + _GAP if least > view.width else None
    return fitted


def timed(made: Table, view: View) -> RenderableType:
    """A table with short times, and which zone they are in."""
    return Group(made, view.caption())


def facts(rows: Iterable[tuple[str, str | Text]]) -> Table:
    """One thing, a fact a line."""
    made = Table.grid(padding=(0, _GAP, 0, 0))
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(name, value)
    return made


def _table(columns: Sequence[str], rows: Iterable[Cells], right: Collection[str], loose: Collection[str]) -> Table:
    made = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    rows = list(rows)
    for number, column in enumerate(columns):
        least = _least(column, [row[number] for row in rows], is_loose=column in loose)
        made.add_column(
            column,
            justify="right" if column in right else "left",
            no_wrap=column not in loose,
            overflow="fold",
            min_width=least,
        )
    for row in rows:
        made.add_row(*row)
    return made


def _width(columns: Sequence[str], rows: Sequence[Cells], loose: Collection[str]) -> int:
    """The least in which every column stands unbroken."""
    each = [
        _least(column, [row[number] for row in rows], is_loose=column in loose) for number, column in enumerate(columns)
    ]
    return sum(each) + _GAP * (len(each) - 1)


def _least(column: str, cells: Iterable[str | Text], *, is_loose: bool) -> int:
    said = [column, *(str(cell) for cell in cells)]
    return max(cell_len(part) for one in said for part in (one.split() if is_loose else [one]) or [""])
