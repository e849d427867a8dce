"""How a person looks: their zone, the time, how wide their screen is. And the two forms everything is shown in."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dure import times

WIDE = 140
"""Columns from which a table has a cell for everything; below, it has fewer columns and more lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """`width` is in columns; `plain` keeps to ASCII."""

    now: datetime
    zone: ZoneInfo
    width: int = 100
    plain: bool = False

    def full(self, instant: datetime) -> str:
        """With zone, UTC and how far it is: `Tue 2026-11-24 18:00 KST (09:00 UTC), in 2h`."""
        return f"{times.show_instant(instant, self.zone)}, {times.show_distance(instant, self.now)}"

    def short(self, instant: datetime | None) -> str:
        """For a column, under a `caption` that names the zone."""
        return self.none if instant is None else times.show_short(instant, self.zone, now=self.now)

    @property
    def none(self) -> str:
        """What stands where there is nothing."""
        return "-" if self.plain else "–"

    def caption(self) -> Text:
        """Which zone the short times of a table are in."""
        now = self.now.replace(second=0, microsecond=0)
        zone = "UTC" if now.astimezone(self.zone).utcoffset() == timedelta(0) else self.zone.key
        return Text(f"times in {zone}; it is {times.show_instant(now, self.zone)}", style="dim")


def table(*columns: str, rows: Iterable[Iterable[str | Text]], right: Iterable[str] = ()) -> Table:
    """Rows under headings. The first column is never broken, as it is what one copies."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for number, column in enumerate(columns):
        justify = "right" if column in set(right) else "left"
        made.add_column(column, justify=justify, no_wrap=number == 0, overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def timed(made: Table, view: View) -> RenderableType:
    """A table with short times, and which zone they are in."""
    return Group(made, view.caption())


def listed(made: Table, none: str) -> RenderableType:
    """The table, or the sentence where it has no rows."""
    return made if made.row_count else Text(none)


def facts(rows: Iterable[tuple[str, str | Text]]) -> Table:
    """One thing, a fact a line."""
    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(name, value)
    return made
