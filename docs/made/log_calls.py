"""Every call by which our code logs a line."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from docs.made import literals
from docs.made.places import Place, calls

TREE = Path(__file__).resolve().parents[2]
LEVELS = ("debug", "info", "warning", "error", "critical")
_METHODS = {**{level: level for level in LEVELS}, "exception": "error"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCall:
    """One call of a logger, or of a variable that stands for one."""

    where: str
    """File and line."""
    levels: tuple[str, ...]
    call: ast.Call
    place: Place

    @property
    def sentence(self) -> ast.expr:
        """The event. `log.log` has its level before it, and `"%s"` is what comes after."""
        at = 1 if _method(self.call) == "log" else 0
        said = self.call.args[at]
        return self.call.args[at + 1] if isinstance(said, ast.Constant) and said.value == "%s" else said

    @property
    def action(self) -> list[ast.expr]:
        """What its action is made of: of structlog's call itself, of the standard library's in `extra`. Empty where it has none."""
        given = [word.value for word in self.call.keywords if word.arg == "action"]
        for made in self.extras:
            given += [value for key, value in literals.entries(made) if literals.texts(key, self.place) == ["action"]]
        return given

    @property
    def extras(self) -> list[ast.expr]:
        """What `extra` may be: a dict as it stands there, or those that the file gives to the variable."""
        given = [word.value for word in self.call.keywords if word.arg == "extra"]
        named = (made for one in given if isinstance(one, ast.Name) for made in self.place.assigned(one.id))
        return [*named, *(one for one in given if not isinstance(one, ast.Name))]

    @property
    def has_trace(self) -> bool:
        """Whether an exception goes with it."""
        return _method(self.call) == "exception" or any(word.arg == "exc_info" for word in self.call.keywords)


@cache
def found(package: str) -> tuple[LogCall, ...]:
    """All of a package, file by file."""
    paths = sorted((TREE / package).rglob("*.py"))
    files = [ast.parse(path.read_text()) for path in paths]
    named = zip(paths, files, strict=True)
    return tuple(call for path, file in named for call in of_file(str(path.relative_to(TREE)), file, files))


def of_file(name: str, file: ast.Module, package: list[ast.Module]) -> Iterator[LogCall]:
    """Those of one file, which stands among the files of its package."""
    for call, place in calls(file, Place(functions=(), file=file, package=package)):
        if levels := _levels(call, place):
            yield LogCall(where=f"{name}:{call.lineno}", levels=levels, call=call, place=place)


def _levels(call: ast.Call, place: Place) -> tuple[str, ...]:
    """Empty where it is no logger's call. `write = log.info if ... else log.warning` stands for both."""
    match call.func:
        case ast.Attribute(value=ast.Name(id="log"), attr="log"):
            given = place.assigned(call.args[0].id) if isinstance(call.args[0], ast.Name) else call.args[:1]
            named = [word.lower() for one in given for word in _of(one, "logging")]
        case ast.Name(id=name):
            named = [word for one in place.assigned(name) for word in _of(one, "log")]
        case _:
            named = _of(call.func, "log")
    levels = {_METHODS[one] for one in named if one in _METHODS}
    return tuple(level for level in LEVELS if level in levels)


def _of(value: ast.expr, owner: str) -> list[str]:
    """The attributes of `owner` that a value may be; what a call of one gives is none."""
    match value:
        case ast.IfExp(body=one, orelse=other):
            return [*_of(one, owner), *_of(other, owner)]
        case ast.Attribute(value=ast.Name(id=name), attr=attr) if name == owner:
            return [attr]
        case _:
            return []


def _method(call: ast.Call) -> str | None:
    return call.func.attr if isinstance(call.func, ast.Attribute) else None
