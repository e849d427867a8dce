"""Quotas as a file that people keep: a list, each of a company in a pool or, without a company, the pool's default.

Read with every mistake named by its line. What `write` writes, `read` reads, and writing that again gives the same bytes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from dure import documents, quota_words, times, wire
from dure.documents import DocumentError, Items, Keys, Node, Text
from dure.mistakes import sentence
from dure.wire.quotas import MAX_QUOTAS

MOST_BYTES = 2 << 20
"""A file of as many quotas as there may be in one is not larger."""

MOST_SHOWN = 20
"""Mistakes that are told at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """`line` counts from 1."""

    line: int
    message: str


class QuotaFileError(ValueError):
    """What is wrong with a file, in the order of its lines."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = sorted(mistakes, key=lambda one: one.line)[:MOST_SHOWN]
        super().__init__("; ".join(f"line {one.line}: {one.message}" for one in self.mistakes))


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaFile:
    """`lines` are where each quota begins."""

    quotas: list[wire.QuotaOf]
    lines: list[int]


def read(data: bytes) -> QuotaFile:
    """Raises QuotaFileError."""
    try:
        root = documents.read(data, most=MOST_BYTES)
    except DocumentError as error:
        raise QuotaFileError([Mistake(line=error.line, message=error.message)]) from None
    items = _items(root)
    mistakes, found, seen = list[Mistake](), list[wire.QuotaOf](), dict[tuple[str | None, str], int]()
    for item in items:
        try:
            one = _quota(item)
        except QuotaFileError as error:
            mistakes += error.mistakes
            continue
        first = seen.setdefault((one.company, one.pool), item.line)
        if first != item.line:
            whose = f"company {one.company}" if one.company else "the default"
            mistakes.append(Mistake(line=item.line, message=f"{whose} in pool {one.pool} is in line {first} already"))
        found.append(one)
    if mistakes:
        raise QuotaFileError(mistakes)
    return QuotaFile(quotas=found, lines=[item.line for item in items])


def write(quotas: Iterable[wire.QuotaOf]) -> str:
    """The file that says these."""
    lines = [
        "# Quotas: docs/quotas.md says what each key means. Who is not in the file keeps what there is.",
        "quotas:",
    ]
    found = list(quotas)
    for one in found:
        said = [("company", one.company)] if one.company else []
        said += [("pool", one.pool), ("gpus", str(one.gpus)), *quota_words.limits(one)]
        said += quota_words.budget_words(one.budget) if one.budget else []
        lines += [f"  {'- ' if place == 0 else '  '}{key}: {value}" for place, (key, value) in enumerate(said)]
    if not found:
        lines[-1] = "quotas: []"
    return "\n".join(lines) + "\n"


def _items(root: Node) -> Sequence[Node]:
    if not isinstance(root, Keys) or set(root.values) != {"quotas"}:
        raise QuotaFileError([Mistake(line=root.line, message="one key belongs here, quotas, with a list of them")])
    found = root.values["quotas"]
    if not isinstance(found, Items) or not found.items:
        raise QuotaFileError([Mistake(line=found.line, message="quotas is a list, for example - company: acme")])
    if len(found.items) > MAX_QUOTAS:
        message = f"there are {len(found.items)} quotas, and {MAX_QUOTAS} is the most in one file"
        raise QuotaFileError([Mistake(line=found.line, message=message)])
    return found.items


def _quota(item: Node) -> wire.QuotaOf:
    """Raises QuotaFileError with all that is wrong with it."""
    if not isinstance(item, Keys):
        raise QuotaFileError([Mistake(line=item.line, message="keys belong here, for example company: acme")])
    values, mistakes = dict[str, Any](), list[Mistake]()
    for key, node in item.values.items():
        line = item.lines[key]
        if key not in _READ:
            mistakes.append(Mistake(line=line, message=f"there is no key {key[:40]}; there are {', '.join(_READ)}"))
            continue
        try:
            values |= _READ[key](node.text if isinstance(node, Text) else "")
        except ValueError as error:
            mistakes.append(Mistake(line=line, message=f"{key}: {error}"))
    if not mistakes:
        try:
            return wire.QuotaOf.model_validate(_nested(values))
        except ValidationError as error:
            found = (_mistake(item, one["loc"], sentence(one)) for one in error.errors(include_url=False))
            mistakes = list(dict.fromkeys(found))
    raise QuotaFileError(mistakes)


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """The budget's own keys are the budget's."""
    flat = {key: value for key, value in values.items() if key not in _OF_BUDGET}
    budget = {key: value for key, value in values.items() if key in _OF_BUDGET}
    return {**flat, "budget": budget} if budget else flat


def _mistake(item: Keys, where: tuple[int | str, ...], message: str) -> Mistake:
    """Of what the wire type says, at the line of the key that says it."""
    said = str(where[-1]) if where else ""
    key = _KEYS.get(said, said)
    if message == "Field required":
        return Mistake(line=item.line, message=f"{key} is missing: {_EXAMPLES[key]}")
    line = item.lines.get(key, item.line)
    if key in _EXAMPLES and key != "budget":
        return Mistake(line=line, message=f"{key}: it is not right; {_EXAMPLES[key]}")
    for field, word in (("begins_at", "begins"), ("ends_at", "ends")):
        message = message.replace(field, word)
    return Mistake(line=line, message=f"{key}: {message}" if key else message)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 12):
        raise ValueError(f"{text[:40]!r} is no whole number; for example 16")
    return int(text)


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError(f"{text[:40]!r} is neither yes nor no")
    return text == "yes"


def _budget(text: str) -> dict[str, Any]:
    amount, period = quota_words.budget(text)
    return {"gpu_seconds": amount, "period": period}


def _one(field: str, read: Callable[[str], object]) -> Callable[[str], dict[str, Any]]:
    return lambda text: {field: read(text)}


_READ: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "company": _one("company", str),
    "pool": _one("pool", str),
    "gpus": _one("gpus", _number),
    "longest": _one("longest_s", times.parse_duration),
    "furthest": _one("furthest_s", times.parse_duration),
    "ahead": _one("ahead_gpu_seconds", quota_words.gpu_seconds),
    "open_asks": _one("open_asks", _number),
    "budget": _budget,
    "carry_over": _one("carries_over", _yes),
    "zone": _one("zone", str),
    "begins": _one("begins_at", str),
    "ends": _one("ends_at", str),
}
_EXAMPLES = {
    "company": "1 to 40 of a-z, 0-9 and -, first a letter, not - last: acme",
    "pool": "1 to 63 of a-z, 0-9, . and -, not . or - first or last: h100-80gb",
    "gpus": "a whole number from 0 to 100000: 16",
    "longest": "from 1s to 60d: 72h",
    "furthest": "from 0s to 60d: 30d",
    "open_asks": "a whole number from 1 to 1000000: 20",
    "budget": "2000h/month",
    "begins": "a time with its offset: 2027-03-01T00:00:00+09:00",
    "ends": "a time with its offset: 2027-07-01T00:00:00+09:00",
}
_OF_BUDGET = ("gpu_seconds", "period", "carries_over", "zone", "begins_at", "ends_at")
_KEYS = {
    "longest_s": "longest",
    "furthest_s": "furthest",
    "ahead_gpu_seconds": "ahead",
    "gpu_seconds": "budget",
    "period": "budget",
    "carries_over": "carry_over",
    "begins_at": "begins",
    "ends_at": "ends",
}
