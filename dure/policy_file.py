"""The policy as a file that people keep: read with every mistake named by its line, completed by what is live, and written.

A file says what it says and leaves the rest: pools and keys that it does not name stay as they are, and `none` takes
away. What `write` writes, `read` reads, and writing that again gives the same bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, cast

from pydantic import TypeAdapter, ValidationError

from dure import documents, wire
from dure.documents import DocumentError, Items, Keys, Node, Text
from dure.policy_keys import POOL, PROGRAMME, Key, of_field
from dure.wire.policies import MAX_POOLS
from dure.wire.policy import contradictions

MOST_SHOWN = 20
"""Mistakes that are told at once."""

LONGEST_SHOWN = 40

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """`where` is the path of keys to it, empty for the file as a whole; `line` counts from 1."""

    line: int
    where: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {f'{self.where}: ' if self.where else ''}{self.message}"


class PolicyFileError(ValueError):
    """What is wrong with a policy file, in the order of its lines."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = sorted(mistakes, key=lambda one: (one.line, one.where))[:MOST_SHOWN]
        super().__init__("; ".join(str(one) for one in self.mistakes))


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """What a file says, by the fields of the policy; `version` is the one that it was made from.

    `lines` are where its keys stand, by their paths.
    """

    version: int
    programme: Fields
    pools: Mapping[str, Fields]
    lines: Mapping[str, int]


def read(data: bytes) -> PolicyFile:
    """Raises PolicyFileError."""
    reading = _Reading([], {})
    try:
        root = documents.read(data)
    except DocumentError as error:
        raise PolicyFileError([Mistake(line=error.line, where="", message=error.message)]) from None
    found = dict(reading.known(root, "", ("version", "programme", "pools")))
    version = reading.version(found.get("version"), root.line) if isinstance(root, Keys) else 0
    programme = (
        reading.fields(found["programme"], "programme", PROGRAMME, wire.ProgrammePolicy) if "programme" in found else {}
    )
    pools = reading.pools(found["pools"]) if "pools" in found else {}
    if reading.mistakes:
        raise PolicyFileError(reading.mistakes)
    return PolicyFile(version=version, programme=programme, pools=pools, lines=reading.lines)


def complete(file: PolicyFile, live: wire.Policy) -> wire.PolicyPut:
    """The whole policy that the file asks for, where it differs from the live one. Raises PolicyFileError."""
    mistakes = [
        Mistake(line=file.lines[f"pools.{pool}"], where=f"pools.{pool}", message=_no_pool(live))
        for pool in file.pools
        if pool not in live.pools
    ]
    pools = {name: _over(found, file.pools.get(name, {})) for name, found in live.pools.items()}
    for name, values in pools.items():
        mistakes += _contradictions(file.lines, f"pools.{name}", values)
    if mistakes:
        raise PolicyFileError(mistakes)
    return wire.PolicyPut(
        version=file.version,
        programme=wire.ProgrammePolicy.model_validate(_over(live.programme, file.programme)),
        pools={name: wire.PoolPolicy.model_validate(values) for name, values in pools.items()},
    )


def write(policy: wire.Policy, *, pool: str | None = None) -> str:
    """The file that says all of a version, or of one pool of it."""
    lines = [
        "# The policy: docs/policy.md says what each key means. Whatever is left out stays as it is.",
        "# The version that this was made from: where another is live by now, it is not applied.",
        f"version: {policy.version}",
    ]
    if pool is None:
        lines += ["", "programme:", *_written(PROGRAMME, policy.programme, "  ")]
    lines += ["", "pools:" if policy.pools else "pools: {}"]
    for name, found in sorted(policy.pools.items()):
        if pool in (None, name):
            lines += [f"  {name}:", *_written(POOL, found, "    ")]
    return "\n".join(lines) + "\n"


def _written(keys: tuple[Key, ...], found: wire.Wire, indent: str) -> Iterator[str]:
    for key in keys:
        yield f"{indent}{key.name}: {key.write(*(getattr(found, field) for field in key.fields))}"


def _over(live: wire.Wire, said: Fields) -> dict[str, Any]:
    return {**live.model_dump(), **said}


def _no_pool(live: wire.Policy) -> str:
    there = f"there are {', '.join(sorted(live.pools))}" if live.pools else "there is none yet"
    return f"there is no such pool; {there}, and `dure pool add` adds one"


def _contradictions(lines: Mapping[str, int], where: str, values: Fields) -> Iterator[Mistake]:
    """Each at the first of its keys that is in the file."""
    for fields, said in contradictions(values):
        paths = [f"{where}.{of_field(POOL, field).name}" for field in fields]
        line = next((lines[path] for path in paths if path in lines), lines.get(where, 1))
        yield Mistake(line=line, where=paths[0], message=said)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One file being read: the mistakes and lines found so far."""

    mistakes: list[Mistake]
    lines: dict[str, int]

    def wrong(self, line: int, where: str, message: str) -> None:
        self.mistakes.append(Mistake(line=line, where=where, message=message))

    def keys(self, node: Node, where: str, example: str) -> Keys:
        """The mapping that belongs there; an empty one, and a mistake, where something else stands."""
        if isinstance(node, Keys):
            return node
        what = "a list" if isinstance(node, Items) else repr(_short(node.text)) if node.text else "nothing"
        self.wrong(node.line, where, f"keys belong here, for example {example}, and there is {what}")
        return Keys(line=node.line, values={}, lines={})

    def known(self, node: Node, where: str, names: Sequence[str]) -> Iterator[tuple[str, Node]]:
        """The keys that have a meaning, whose lines are kept; the others are mistakes."""
        found = self.keys(node, where, f"{names[0]}: ...")
        for name, value in found.values.items():
            path = f"{where}.{name}" if where else name
            self.lines[path] = found.lines[name]
            if name in names:
                yield name, value
            else:
                place = f"{where}." if where else ""
                self.wrong(
                    found.lines[name], f"{place}{_short(name)}", f"there is no such key; there are {', '.join(names)}"
                )

    def version(self, node: Node | None, line: int) -> int:
        if node is None:
            self.wrong(
                line,
                "version",
                "it is missing: the live version that this was made from, as dure policy show writes it",
            )
            return 0
        text = node.text if isinstance(node, Text) else ""
        if not (text.isascii() and text.isdecimal() and len(text) <= 15 and int(text) >= 1):
            self.wrong(
                node.line,
                "version",
                f"{_said(node)} is no version; a whole number from 1, as dure policy show writes it",
            )
            return 0
        return int(text)

    def pools(self, node: Node) -> dict[str, Fields]:
        found = self.keys(node, "pools", "h100-80gb: ...")
        if len(found.values) > MAX_POOLS:
            self.wrong(found.line, "pools", f"there are {len(found.values)} pools, and {MAX_POOLS} is the most")
            return {}
        pools: dict[str, Fields] = {}
        for name, value in found.values.items():
            where = f"pools.{name}"
            self.lines[where] = found.lines[name]
            if _fits(wire.PoolName, name):
                pools[name] = self.fields(value, where, POOL, wire.PoolPolicy)
                self.mistakes.extend(_contradictions(self.lines, where, pools[name]))
            else:
                self.wrong(found.lines[name], "pools", f"{_short(name)!r} is no name of a pool, for example h100-80gb")
        return pools

    def fields(self, node: Node, where: str, keys: tuple[Key, ...], kind: type[wire.Wire]) -> dict[str, Any]:
        """What a part of the file says, by the policy's own names."""
        by_name = {key.name: key for key in keys}
        said: dict[str, Any] = {}
        for name, value in self.known(node, where, tuple(by_name)):
            values = _values(by_name[name], value, kind)
            if values is None:
                self.wrong(value.line, f"{where}.{name}", f"{_said(value)} is not right; {by_name[name].takes}")
            else:
                said |= values
        return said


def _values(key: Key, node: Node, kind: type[wire.Wire]) -> Fields | None:
    """The fields that a key's text says; None where it says nothing that is allowed there."""
    if not isinstance(node, Text):
        return None
    try:
        values = dict(zip(key.fields, key.read(node.text), strict=True))
    except ValueError:
        return None
    fits = (
        _fits(Annotated[kind.model_fields[name].annotation, kind.model_fields[name]], one)
        for name, one in values.items()
    )
    return values if all(fits) else None


def _fits(kind: Any, value: object) -> bool:
    try:
        cast("TypeAdapter[object]", TypeAdapter(kind)).validate_python(value)
    except ValidationError:
        return False
    return True


def _said(node: Node) -> str:
    match node:
        case Text():
            return repr(_short(node.text)) if node.text else "nothing"
        case Items():
            return "a list"
        case Keys():
            return "a group of keys"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
