"""What was put into a support bundle, and what could not be."""

from collections.abc import Iterator

from pydantic import BaseModel
from rich.console import RenderableType

from dure.render.view import facts


class Bundle(BaseModel):
    """`missing` says why, by file; `refused` are those of them that the token was refused for."""

    file: str
    size_bytes: int
    files: list[str]
    missing: dict[str, str]
    refused: list[str] = []


def bundle(found: Bundle) -> RenderableType:
    others = {name: why for name, why in found.missing.items() if name not in found.refused}
    return facts(
        [
            (
                "written",
                f"{found.file} ({found.size_bytes >> 10} KiB, for your eyes alone): look into it before you send it",
            ),
            ("holds", ", ".join(found.files)),
            *((f"not {name}", " ".join(why.split())) for name, why in others.items()),
            *_refused(found),
        ]
    )


def _refused(found: Bundle) -> Iterator[tuple[str, str]]:
    """Once, for all that the token did not open."""
    if found.refused:
        without = ", ".join(found.refused)
        said = f"the API refused the token, so the bundle is nearly empty ({without} are not in it)"
        yield "refused", f"{said}: collect it again with an admin's or operator's token in DURE_TOKEN"
