"""The node's token, in a file that somebody else renews: an admin, or a kubelet. It is read again as it changes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

LOOK_S = 60.0
"""How often the file is read though the allocator takes the token: a projected one is renewed well before it expires."""


class CredentialError(Exception):
    """The token cannot be used; the text says what is wrong with it, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why there is nothing to report with now. `refused` wants a person, `unreachable` passes."""

    outcome: Literal["refused", "unreachable"]
    why: str


class Credential:
    """Holds the token as last read. It is never logged. For one thread, but for `header`."""

    def __init__(self, path: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Raises CredentialError."""
        self.path = path
        self._monotonic = monotonic
        self._token = read(path)
        self._looked_at = monotonic()

    @property
    def header(self) -> str:
        """What goes into `Authorization`."""
        return f"Bearer {self._token}"

    def advice(self, node: str) -> str:
        """What a person does about a token that the allocator does not take."""
        return f"renew the token with `dure node enroll {node} --renew` and put it into {self.path}, which is read again by itself"

    def tend(self) -> Trouble | None:
        """To be called before each report: keeps the token fresh. Says why where there is none."""
        if self._monotonic() - self._looked_at >= LOOK_S:
            self.renew()
        return None

    def renew(self) -> bool:
        """To be called when the allocator did not take the token: true if there is another now. A file that is gone leaves the
        old one.
        """
        self._looked_at = self._monotonic()
        try:
            token = read(self.path)
        except CredentialError:
            return False
        changed = token != self._token
        self._token = token
        return changed


def read(path: Path) -> str:
    """The token that a file holds. Raises CredentialError."""
    try:
        token = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise CredentialError(f"{path}: the token file cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CredentialError(f"{path}: this is no token: it is not ASCII text") from error
    if not token or not token.isprintable() or " " in token:
        raise CredentialError(f"{path}: the token file must hold one token on one line")
    return token
