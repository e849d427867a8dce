"""What one part of the page is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """A picture of bars, a group a label and in it one of each series; None where there is nothing to show.

    `mark` is a line at a value that means something, `log` says that the values' scale is logarithmic.
    """

    name: str
    title: str
    axis: str
    labels: Sequence[str]
    series: Mapping[str, Sequence[float | None]]
    mark: float | None = None
    log: bool = False

    @property
    def shown(self) -> str:
        """In the page."""
        return f"![{self.title}](performance/{self.name}.png)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The texts that stand for names in the template, and the pictures that they show."""

    texts: Mapping[str, str]
    pictures: Sequence[Bars] = field(default_factory=list[Bars])


def under(text: str, pictures: Sequence[Bars]) -> str:
    """The text and its pictures."""
    return "\n\n".join([text, *(picture.shown for picture in pictures)])
