"""What was put into a support bundle, and what could not be."""

from pydantic import BaseModel
from rich.console import RenderableType

from dure.render.view import facts


class Bundle(BaseModel):
    """`missing` says why, by file."""

    file: str
    size_bytes: int
    files: list[str]
    missing: dict[str, str]


def bundle(found: Bundle) -> RenderableType:
    return facts(
        [
            (
                "written",
                f"{found.file} ({found.size_bytes >> 10} KiB, for your eyes alone): look into it before you send it",
            ),
            ("holds", ", ".join(found.files)),
            *((f"not {name}", " ".join(why.split())) for name, why in found.missing.items()),
        ]
    )
