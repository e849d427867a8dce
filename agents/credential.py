"""The node's token, in a file that somebody else renews: it is read again whenever the allocator does not take it."""

from pathlib import Path


class CredentialError(Exception):
    """The token file cannot be used; the text says what is wrong with it."""


class Credential:
    """Holds the token as last read. It is never logged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._token = self._read()

    @property
    def header(self) -> str:
        """What goes into `Authorization`."""
        return f"Bearer {self._token}"

    def renew(self) -> bool:
        """Reads the file again; true if there is another token in it. A file that is gone leaves the old one."""
        try:
            token = self._read()
        except CredentialError:
            return False
        changed = token != self._token
        self._token = token
        return changed

    def _read(self) -> str:
        try:
            token = self.path.read_text(encoding="ascii").strip()
        except OSError as error:
            raise CredentialError(f"{self.path}: the token file cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise CredentialError(f"{self.path}: this is no token: it is not ASCII text") from error
        if not token or not token.isprintable() or " " in token:
            raise CredentialError(f"{self.path}: the token file must hold one token on one line")
        return token
