"""A node's own credential on its disk: a file of mode 600 in the agent's folder, written whole or not at all."""

import contextlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from agents.identity.credential import CredentialError

NAME = "credential.json"
LARGEST_BYTES = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Keepsake:
    """`secret` is the credential, of `token` in the allocator's lists: got at `got_at`, by this node's clock, for `lasts_s`.

    `proposed` is the secret that is to follow, written down before it is proposed, and `proposed_with` the hash of what it was
    proposed with. `joined_with` is the hash of the join token that was used last.
    """

    node: str
    secret: str = ""
    token: str = ""
    got_at: float = 0.0
    lasts_s: float = 0.0
    proposed: str = ""
    proposed_with: str = ""
    joined_with: str = ""

    def is_due(self, now: float) -> bool:
        """Half of its life is over; a clock that was set back makes it due as well, which harms nobody."""
        return not 0 <= now - self.got_at < self.lasts_s / 2


def load(folder: Path, node: str) -> Keepsake:
    """What was kept; nothing yet in a folder that has none. Raises CredentialError."""
    path = folder / NAME
    try:
        with path.open("rb") as file:
            said = json.loads(file.read(LARGEST_BYTES))
        found = _checked(said)
    except FileNotFoundError:
        return Keepsake(node=node)
    except OSError as error:
        raise CredentialError(f"{path}: this node's credential cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise CredentialError(
            f"{path}: this is no credential that the agent wrote; move it away, and let the agent join again with "
            f"`dure node join-token {node}`"
        ) from error
    if found.node != node:
        raise CredentialError(
            f"{path}: this is the credential of node {found.node}, and this agent is {node}: correct DURE_AGENT_NODE, or move the "
            f"file away and let the agent join with `dure node join-token {node}`"
        )
    return found


def save(folder: Path, found: Keepsake) -> None:
    """Raises OSError, and leaves what was there."""
    descriptor, draft = tempfile.mkstemp(prefix=f".{NAME}.", dir=folder)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump(asdict(found), file)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(folder / NAME)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(draft).unlink()
        raise
    _settle(folder)


def _settle(folder: Path) -> None:
    """So that the new name outlives a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _checked(said: object) -> Keepsake:
    if not isinstance(said, dict):
        raise TypeError("no object")
    known = {one.name: one.type for one in fields(Keepsake)}
    values = {name: value for name, value in said.items() if name in known}
    found = replace(Keepsake(node=""), **values)
    numbers = (found.got_at, found.lasts_s)
    words = [value for name, value in asdict(found).items() if name not in ("got_at", "lasts_s")]
    if not found.node or not all(isinstance(word, str) and word.isascii() and word.isprintable() for word in words):
        raise ValueError("a field is no word")
    if not all(isinstance(number, int | float) and abs(number) < 1e12 for number in numbers):
        raise ValueError("a field is no time")
    return found
