"""A secret written to a file of mode 600. The file is prepared before the secret is made, so that none is made in vain."""

import contextlib
import os
import tempfile
from collections.abc import Generator
from pathlib import Path

from dure.cli.terminal import BadUsage


class Taken(BadUsage):
    """A file is there already, and nobody said that it may be replaced."""


class SecretFile:
    """A place for one secret: `keep` puts it there, at once or not at all."""

    def __init__(self, path: Path, draft: Path, descriptor: int) -> None:
        self.path = path
        self._draft = draft
        self._descriptor = descriptor

    def keep(self, secret: str) -> None:
        with os.fdopen(self._descriptor, "w", encoding="ascii", closefd=False) as file:
            file.write(f"{secret}\n")
            file.flush()
            os.fsync(self._descriptor)
        self._draft.replace(self.path)


@contextlib.contextmanager
def prepared(path: str, *, replace: bool, own: Path | None) -> Generator[SecretFile]:
    """Raises BadUsage for a path that cannot be written, is taken (unless `replace`), or is the token in use, `own`."""
    target = Path(path).expanduser()
    if own is not None and target.exists() and own.exists() and target.samefile(own):
        raise BadUsage("--token-file", f"{target} holds the token of this very command; name a file for the new one")
    if target.is_dir():
        raise BadUsage("--token-file", f"{target} is a directory; name a file")
    if target.exists() and not replace:
        raise Taken("--token-file", f"{target} is there already; name another file, or move it away")
    try:
        descriptor, draft = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise BadUsage("--token-file", f"{target} cannot be written: {error.strerror}") from None
    try:
        yield SecretFile(target, Path(draft), descriptor)
    finally:
        os.close(descriptor)
        Path(draft).unlink(missing_ok=True)
