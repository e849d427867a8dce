"""Files that a person names on the command line; `-` is stdin."""

from pathlib import Path

import typer

from dure.cli.terminal import BadUsage

STDIN = "-"


def data(file: str, most: int) -> bytes:
    """What is in it, up to one byte more than `most`. Raises BadUsage where it cannot be read."""
    try:
        if file == STDIN:
            return typer.get_binary_stream("stdin").read(most + 1)
        with Path(file).expanduser().open("rb") as opened:
            return opened.read(most + 1)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise BadUsage("FILE", f"{file} cannot be read: {said}") from None
