"""Where rich prints: what it sends to the terminal by itself goes there, and of what it was given to show the text alone."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from dure.render.harmless import harmless


class Screen(Console):
    """A console on which no text does more than stand there."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(harmless(segment.text), segment.style)
