"""A node that comes under Dure."""

from collections.abc import Iterator, Sequence
from typing import Self

from pydantic import BaseModel
from rich.console import RenderableType
from rich.text import Text

from dure.adopting import Adoption
from dure.render.view import facts

NAMED = 8


class Adopted(BaseModel):
    """`label` and `taint` are what was put on the node; null where it was there."""

    node: str
    pool: str
    done: bool
    label: str | None
    taint: str | None
    daemon_sets: list[str]
    pods: list[str]
    takers: list[str]

    @property
    def changes(self) -> bool:
        return self.label is not None or self.taint is not None

    @classmethod
    def of(cls, node: str, pool: str, found: Adoption, *, done: bool) -> Self:
        return cls(
            node=node,
            pool=pool,
            done=done,
            label=found.label,
            taint=found.taint,
            daemon_sets=list(found.daemon_sets),
            pods=list(found.pods),
            takers=list(found.takers),
        )


def adopted(found: Adopted) -> RenderableType:
    if not found.changes:
        head = "is under Dure already; nothing was changed"
    else:
        head = "is under Dure" if found.done else "would come under Dure"
    rows: list[tuple[str, str | Text]] = [
        ("node", f"{found.node} {head}"),
        ("pool", found.pool),
        ("label", found.label or "there already"),
        ("taint", found.taint or "there already"),
    ]
    return facts([*rows, *(("note", line) for line in warnings(found))])


def warnings(found: Adopted) -> Iterator[str]:
    """What an operator has to know before."""
    if found.daemon_sets:
        yield f"pods of these DaemonSets do not tolerate the taint and will not come back to the node: {_named(found.daemon_sets)}"
    if found.takers:
        yield f"these pods take GPUs of the pool and are nobody's lease; move them: {_named(found.takers)}"
    rest = [one for one in found.pods if one not in found.takers]
    if rest:
        yield f"these pods stay on the node until they end: {_named(rest)}"


def _named(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
