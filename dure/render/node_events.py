"""What happened on a node as a table: one thing a row."""

from collections.abc import Iterable, Mapping

from rich.console import RenderableType
from rich.text import Text

from dure import wire
from dure.render.view import View, table, timed


def events(found: Iterable[wire.KeptEvent], view: View) -> RenderableType:
    """Newest first."""
    shown = list(found)
    if not shown:
        return Text("nothing happened on it that its agent told")
    made = table(
        *("AT", "WHAT", "GPU", "DETAIL"),
        rows=lambda view: [
            (view.short(one.at), one.kind, one.gpu or view.none, _detail(one.detail) or view.none) for one in shown
        ],
        view=view,
        loose=("DETAIL",),
        drop=(),
    )
    return timed(made, view)


def _detail(detail: Mapping[str, str | int | float | bool | None]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in detail.items() if value is not None)
