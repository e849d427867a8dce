"""What a Dockerfile says, as far as ours goes: an instruction that this does not know is an error, not a step left out."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

KNOWN = frozenset({"COPY", "RUN", "ENV", "ARG", "USER", "WORKDIR", "LABEL", "EXPOSE", "HEALTHCHECK", "CMD"})


class Unread(Exception):
    """The Dockerfile has something that a replay would not do as Docker does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`flags` are those before the arguments, such as `from` of COPY."""

    word: str
    said: str
    flags: Mapping[str, str] = field(default_factory=dict)

    @property
    def words(self) -> list[str]:
        """The arguments, whether they are written as words or as a list of JSON."""
        return json.loads(self.said) if self.said.startswith("[") else shlex.split(self.said)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Of ENV, ARG and LABEL: each name with its value, which is empty where none is said."""
        return [(name, value) for name, _, value in (word.partition("=") for word in self.words)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    name: str
    base: str
    steps: tuple[Step, ...]

    def last(self, word: str) -> Step:
        """The last step of that word, which is the one that counts. Raises Unread where there is none."""
        found = [step for step in self.steps if step.word == word]
        if not found:
            raise Unread(f"the stage {self.name} has no {word}")
        return found[-1]


def read(text: str) -> tuple[Mapping[str, str], list[Stage]]:
    """The arguments said before the first stage, and the stages. Raises Unread."""
    arguments: dict[str, str] = {}
    stages: list[tuple[str, str, list[Step]]] = []
    for line in _lines(text):
        step = _step(line)
        match step.word:
            case "FROM":
                stages.append(_stage(step))
            case "ARG" if not stages:
                arguments.update(step.pairs)
            case word if word in KNOWN and stages:
                stages[-1][2].append(step)
            case word:
                raise Unread(f"{word} is not replayed: {line}")
    return arguments, [Stage(name=name, base=base, steps=tuple(steps)) for name, base, steps in stages]


def _lines(text: str) -> Iterator[str]:
    """Each instruction on a line, without comments."""
    kept = "\n".join(line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    yield from (line.strip() for line in re.sub(r"\\\n\s*", " ", kept).splitlines())


def _step(line: str) -> Step:
    word, _, said = line.partition(" ")
    flags: dict[str, str] = {}
    # HEALTHCHECK has its flags before its CMD.
    while found := re.match(r"--([a-z-]+)=(\S+)\s+", said):
        flags[found[1]] = found[2]
        said = said[found.end() :]
    if word == "HEALTHCHECK":
        said = said.removeprefix("CMD").strip()
    return Step(word=word, said=said.strip(), flags=flags)


def _stage(step: Step) -> tuple[str, str, list[Step]]:
    match step.words:
        case [base, "AS", name]:
            return name, base, []
        case other:
            raise Unread(f"a stage has a name: FROM {' '.join(other)} AS ...")


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with `$NAME` and `${NAME}` replaced. Raises Unread for a name that nobody said."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in values:
            raise Unread(f"{name} is said nowhere before: {text}")
        return values[name]

    return re.sub(r"\$(?:\{([A-Z_]+)\}|([A-Z_]+))", value, text)


def named(stages: Sequence[Stage], name: str) -> Stage:
    """Raises Unread where there is no such stage."""
    for stage in stages:
        if stage.name == name:
            return stage
    raise Unread(f"there is no stage {name}")
