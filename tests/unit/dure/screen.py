"""What a rendering looks like on a screen, as text."""

import io
from zoneinfo import ZoneInfo

from rich.console import Console, RenderableType

from dure.render.view import View
from tests.unit.dure.answers import NOW

SEOUL = View(now=NOW, zone=ZoneInfo("Asia/Seoul"), width=160)


def text(shown: RenderableType, view: View = SEOUL) -> str:
    """Line by line, without the blanks at their ends."""
    console = Console(file=io.StringIO(), width=view.width, markup=False, emoji=False, highlight=False)
    with console.capture() as captured:
        console.print(shown, crop=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
