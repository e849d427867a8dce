"""Where an expression of our code stands, and what is said there of a name: our code is read, never run."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The functions around an expression, innermost first, its file, and all files of its package."""

    functions: tuple[Function, ...]
    file: ast.Module
    package: Sequence[ast.Module]
    bound: Mapping[str, str] = field(default_factory=dict)
    """What an expression is taken to be, by how it is written."""
    asked: frozenset[tuple[str | Function, ...]] = frozenset()
    """What is being looked up, and in which functions: it says nothing of itself."""

    def assigned(self, name: str) -> list[ast.expr]:
        """All that the name is given in the innermost function that gives it something, or in the file."""
        return next((found for one in (*self.functions, self.file) if (found := _assigned(one).get(name))), [])

    def put_into(self, name: str) -> list[ast.expr]:
        """The keys that a dict gets after it was made: `name[key] = ...`."""
        nodes = (node for function in self.functions for node in ast.walk(function))
        targets = (to for node in nodes for to, _ in _pairs(node) if isinstance(to, ast.Subscript))
        return [to.slice for to in targets if _is(to.value, name)]

    def returned(self, name: str) -> list[tuple[ast.expr, "Place"]]:
        """What the file's function of that name returns."""
        return [(value, self._in(one, self.file)) for one in _functions(self.file, name) for value in _returns(one)]

    def of_the_only(self, name: str) -> list[tuple[ast.expr, "Place"]]:
        """What the package's only method or property of that name returns."""
        nodes = ((node, file) for file in self.package for node in file.body)
        bodies = ((node.body, file) for node, file in nodes if isinstance(node, ast.ClassDef))
        named = [(one, file) for body, file in bodies for one in body if isinstance(one, Function) and one.name == name]
        only = named if len(named) == 1 else []
        return [(value, self._in(one, file)) for one, file in only for value in _returns(one)]

    def given(self, name: str) -> list[tuple[ast.expr, "Place"]]:
        """What the file's own calls give the argument of that name."""
        for function in self.functions:
            names = [one.arg for one in _arguments(function) if one.arg not in ("self", "cls")]
            if name in names:
                found = (there for there in calls(self.file, self) if _last(there[0].func) == function.name)
                return [(value, place) for call, place in found for value in _for(call, name, names.index(name))]
        return []

    def words(self, name: str, attr: str | None = None) -> list[str]:
        """The words of the Literal that annotates the argument, or that attribute of the class that annotates it."""
        arguments = (one for function in self.functions for one in _arguments(function))
        noted = next((one.annotation for one in arguments if one.arg == name), None)
        if noted is not None and attr is not None:
            noted = next(self._fields(ast.unparse(noted), attr), None)
        return [] if noted is None else self._literal(noted)

    def _fields(self, of: str, attr: str) -> Iterator[ast.expr]:
        nodes = (node for file in self.package for node in file.body)
        for one in (node for node in nodes if isinstance(node, ast.ClassDef) and node.name == of):
            yield from (to.annotation for to in one.body if isinstance(to, ast.AnnAssign) and _is(to.target, attr))

    def _literal(self, noted: ast.expr) -> list[str]:
        values = [noted]
        if isinstance(noted, ast.Name):
            pairs = (pair for file in self.package for node in file.body for pair in _pairs(node))
            values = [value for to, value in pairs if _is(to, noted.id)]
        found = (one.slice for one in values if isinstance(one, ast.Subscript) and _is(one.value, "Literal"))
        words = (part for one in found for part in (one.elts if isinstance(one, ast.Tuple) else [one]))
        return [str(word.value) for word in words if isinstance(word, ast.Constant)]

    def _in(self, function: Function, file: ast.Module) -> "Place":
        return replace(self, functions=(function,), file=file, bound={})


def calls(file: ast.Module, place: Place) -> Iterator[tuple[ast.Call, Place]]:
    """Every call in the file, and where it stands."""

    def under(node: ast.AST, functions: tuple[Function, ...]) -> Iterator[tuple[ast.Call, Place]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call):
                yield child, replace(place, functions=functions, file=file, bound={})
            yield from under(child, (child, *functions) if isinstance(child, Function) else functions)

    return under(file, ())


def _pairs(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Each thing that a statement assigns to, with what it gets."""
    match node:
        case ast.AnnAssign(target=to, value=ast.expr() as value):
            yield to, value
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
            yield from zip(targets, values, strict=False)
        case ast.Assign(targets=targets, value=value):
            yield from ((to, value) for to in targets)
        case _:
            return


@cache
def _assigned(scope: Function | ast.Module) -> dict[str, list[ast.expr]]:
    found: dict[str, list[ast.expr]] = {}
    for node in scope.body if isinstance(scope, ast.Module) else ast.walk(scope):
        for to, value in _pairs(node):
            if isinstance(to, ast.Name):
                found.setdefault(to.id, []).append(value)
    return found


def _functions(file: ast.Module, name: str) -> list[Function]:
    return [node for node in ast.walk(file) if isinstance(node, Function) and node.name == name]


def _returns(function: Function) -> list[ast.expr]:
    found = (node for node in ast.walk(function) if isinstance(node, ast.Return) and node.value)
    return [one.value for one in sorted(found, key=lambda one: one.lineno) if one.value]


def _arguments(function: Function) -> list[ast.arg]:
    return [*function.args.args, *function.args.kwonlyargs]


def _for(call: ast.Call, name: str, at: int) -> list[ast.expr]:
    """What a call gives an argument, by name or by its place."""
    return [word.value for word in call.keywords if word.arg == name] or call.args[at : at + 1]


def _is(expr: ast.expr, name: str) -> bool:
    return isinstance(expr, ast.Name) and expr.id == name


def _last(called: ast.expr) -> str | None:
    return called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else None
