"""What leaves the house is without secrets and without what people wrote in their own words. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

GONE = "[redacted]"

SECRET_KEYS = re.compile(
    r"(?i)passw(or)?d|secret|token|authorization|api[_-]?key|private[_-]?key|credential|cookie"
    r"|client-(key|certificate)-data|certificate-authority-data"
)
"""Names of what may be a secret, wherever in the name they stand."""

WORDS_OF_PEOPLE = frozenset({"reason", "label", "title", "why", "who", "actor", "cgroup"})
"""Fields that hold what somebody wrote, or who somebody is."""

ADDRESSES = frozenset({"url", "webhook_url"})
"""Fields whose path may be a secret as well."""

_ID = re.compile(r"(tok|lea|dec|whk|evt)_[0-9a-z]{1,40}")
"""Ours, by which nobody gets in anywhere."""

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]+-----.*?(-----END [A-Z ]+-----|\Z)", re.DOTALL), GONE),
    # Names of our metrics begin so as well, and have small letters and underscores alone.
    (re.compile(r"dure_(?=[a-z_]*[A-Z0-9-])[A-Za-z0-9_-]{40,}"), GONE),
    (re.compile(r"whsec_[A-Za-z0-9+/=_-]+"), GONE),
    (re.compile(r"eyJ[\w-]{5,}\.[\w-]+\.[\w-]*"), GONE),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{6,}"), rf"\1 {GONE}"),
    # A password may have a / in it, though it should not.
    (re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s\"'<>]*@"), rf"\1{GONE}@"),
    (re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://[^\s\"'<>?#]*)[?#][^\s\"'<>]*"), rf"\1?{GONE}"),
    (
        re.compile(
            r"(?i)([\w-]*(?:passw(?:or)?d|secret|token|api[_-]?key|private[_-]?key|(?:key|certificate|authority)-data)[\w-]*"
            r"[\"']?\s*[=:]\s*[\"']?)(?!\[redacted\]|null\b|(?:tok|whk)_)[^\s\"',;&}]+"
        ),
        rf"\1{GONE}",
    ),
    (re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"), GONE),
)


class Redaction:
    """`known` are secrets that are known to be some; `names` are put in the place of what they are given for."""

    def __init__(self, known: Iterable[str] = (), names: Mapping[str, str] | None = None) -> None:
        self._known = sorted({one for one in known if one}, key=len, reverse=True)
        self._names = dict(names or {})
        longest = sorted(map(re.escape, self._names), key=len, reverse=True)
        self._named = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(longest)})(?![A-Za-z0-9])") if longest else None

    def text(self, said: str) -> str:
        """Of any text: logs, metrics, sentences of errors."""
        for secret in self._known:
            said = said.replace(secret, GONE)
        for pattern, instead in _PATTERNS:
            said = pattern.sub(instead, said)
        return said if self._named is None else self._named.sub(lambda found: self._names[found[1]], said)

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

    def _field(self, name: str, value: Any) -> Any:
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if name in WORDS_OF_PEOPLE:
            return GONE
        if name in ADDRESSES and isinstance(value, str):
            return self.text("/".join(value.split("/")[:3])) + f"/{GONE}"
        if SECRET_KEYS.search(name) and isinstance(value, str) and not _ID.fullmatch(value):
            return GONE
        return self.value(value)


def numbered(kind: str, found: Iterable[str]) -> dict[str, str]:
    """The same names for the same things, whatever they are called: `company-1`, `company-2`."""
    return {name: f"{kind}-{number}" for number, name in enumerate(sorted(set(found)), 1)}
