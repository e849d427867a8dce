"""What leaves the house is without secrets and without what people wrote in their own words. Pure."""

import contextlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from dure.secrets_in_text import GONE, without

SECRET_KEYS = re.compile(
    r"(?i)passw(or)?d|pwd|secret|token|authorization|api[_-]?key|private[_-]?key|credential|cookie"
    r"|client-(key|certificate)-data|certificate-authority-data"
)
"""Names of what may be a secret, wherever in the name they stand."""

WORDS_OF_PEOPLE = frozenset({"reason", "label", "title", "why", "who", "actor", "cgroup"})
"""Fields that hold what somebody wrote, or who somebody is."""

ADDRESSES = frozenset({"url", "urls", "webhook_url", "webhook_urls"})
"""Fields whose path may be a secret as well."""

_ID = re.compile(r"(tok|lea|dec|whk|evt)_[0-9a-z]{1,40}")
"""Ours, by which nobody gets in anywhere."""


_HOST = re.compile(r"(?<=://)([^\s\"'<>/?#@]*@)?(?!\[redacted\])(\[[0-9A-Fa-f:.%\w]*\]|[^\s\"'<>/?#:@,;()\\`]+)")
"""Of an address in a text, behind who the user is."""

_AUTHORITY = re.compile(r"^(?:[a-zA-Z][\w+.-]*:/+)?([^/?#\s]*).*$", re.DOTALL)
"""Of what somebody gave as an address, be it one or not."""

ELSEWHERE = "elsewhere"
"""In the place of a host that has no name of its own."""


class Redaction:
    """`known` are secrets that are known to be some; `names` are put in the place of what they are given for, in whatever case it
    stands. If one is to be `anonymous`, hosts of all other addresses are gone as well. A `home` folder is `~`.
    """

    def __init__(
        self,
        known: Iterable[str] = (),
        names: Mapping[str, str] | None = None,
        *,
        anonymous: bool = False,
        home: str | None = None,
    ) -> None:
        self._anonymous = anonymous
        self._known = sorted({one for one in known if one}, key=len, reverse=True)
        self._names = dict(names or {})
        self._longest = sorted(self._names, key=len, reverse=True)
        self._named = _any_of(self._longest)
        self._home = _any_of([home.rstrip("/")] if home and home.startswith("/") and home.strip("/") else [])

    def text(self, said: str) -> str:
        """Of any text: logs, metrics, sentences of errors."""
        for secret in self._known:
            said = said.replace(secret, GONE)
        said = without(said)
        if self._home is not None:
            said = self._home.sub("~", said)
        if self._named is not None:
            said = self._named.sub(self._name, said)
        return _HOST.sub(self._host, said) if self._anonymous else said

    def value(self, said: Any) -> Any:
        """Of JSON, whose field names are looked at too."""
        match said:
            case dict():
                fields = cast("dict[str, Any]", said)
                return {self.text(name): self._field(name, value) for name, value in fields.items()}
            case list():
                return [self.value(one) for one in cast("list[Any]", said)]
            case str():
                return self.text(said)
            case _:
                return said

    def json(self, said: Any) -> str:
        return json.dumps(self.value(said), indent=1, ensure_ascii=False) + "\n"

    def _name(self, found: re.Match[str]) -> str:
        """Of two that differ in nothing but case each has its own; by its group, as what case is differs between languages."""
        return self._names.get(found[0]) or self._names[self._longest[(found.lastindex or 1) - 1]]

    def _host(self, found: re.Match[str]) -> str:
        return found[0] if found[2] in self._names.values() else f"{found[1] or ''}{ELSEWHERE}"

    def _field(self, name: str, value: Any) -> Any:
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if name in WORDS_OF_PEOPLE:
            return GONE
        if name in ADDRESSES:
            return self._address(value)
        if SECRET_KEYS.search(name):
            # What is below such a name goes whole, as nobody knows what names it has there.
            return value if not value or (isinstance(value, str) and _ID.fullmatch(value)) else GONE
        return self.value(value)

    def _address(self, value: Any) -> Any:
        match value:
            case str():
                return self.text("/".join(value.split("/")[:3])) + f"/{GONE}"
            case list():
                return [self._address(one) for one in cast("list[Any]", value)]
            case dict():
                return {self.text(name): self._address(one) for name, one in cast("dict[str, Any]", value).items()}
            case _:
                return value


def _any_of(words: list[str]) -> re.Pattern[str] | None:
    """Any of them, whole; each is a group."""
    either = "|".join(f"({re.escape(word)})" for word in words)
    return re.compile(rf"(?<![A-Za-z0-9])(?:{either})(?![A-Za-z0-9])", re.IGNORECASE) if words else None


def numbered(kind: str, found: Iterable[str]) -> dict[str, str]:
    """The same names for the same things, whatever they are called: `company-1`, `company-2`."""
    return {name: f"{kind}-{number}" for number, name in enumerate(sorted(set(found)), 1)}


def hosts(address: str) -> set[str]:
    """As what the host of an address may stand in a text: as it was given, in small letters, and as DNS is asked for it. Of what is
    no address, all of it.
    """
    at = _AUTHORITY.sub(r"\1", address).rpartition("@")[2]
    given = at[1:].partition("]")[0] if at.startswith("[") else at.partition(":")[0]
    found = {given, given.lower()}
    with contextlib.suppress(UnicodeError):
        found.add(given.encode("idna").decode())
    return found - {""} or {address}
