"""The texts that an expression of our code can be, as far as its literals say. What is not known is `{name}`."""

import ast
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from docs.made.places import Place


def choices(expr: ast.expr, place: Place) -> Iterator[Place]:
    """The place once for each key of the table that is asked by `TABLE[key]`; itself where it is no such thing."""
    told: list[Place] = []
    match expr:
        case ast.Subscript(value=ast.Name(id=name), slice=index):
            keyed = [key for one in place.assigned(name) for key, _ in entries(one)]
            said = [text for key in keyed for text in texts(key, place)]
            told = [replace(place, bound={**place.bound, ast.unparse(index): key}) for key in said]
        case _:
            pass
    yield from told or [place]


def texts(expr: ast.expr, place: Place) -> list[str]:
    """Every text that it can be."""
    if (told := place.bound.get(ast.unparse(expr))) is not None:
        return [told]
    match expr:
        case ast.Constant(value=str() as text):
            return [text]
        case ast.IfExp(body=one, orelse=other):
            return [*texts(one, place), *texts(other, place)]
        case ast.BoolOp(values=parts):
            return [text for part in parts for text in texts(part, place)]
        case ast.JoinedStr(values=parts):
            return ["".join(each) for each in product(*(texts(part, place) for part in parts))]
        case ast.FormattedValue(value=value):
            return texts(value, place)
        case _:
            return _looked_up(expr, place) or [f"{{{called(expr)}}}"]


def keys(expr: ast.expr, place: Place) -> list[str]:
    """The names that a dict has; `**name` where only that is known of some."""
    match expr:
        case ast.Dict():
            said = zip(expr.keys, expr.values, strict=True)
            return [one for key, value in said for one in (texts(key, place) if key else keys(value, place))]
        case ast.DictComp(generators=[ast.comprehension(iter=ast.Tuple(elts=parts))]):
            return [text for part in parts for text in texts(part, place)]
        case ast.Call(func=ast.Name(id=name)) if found := place.returned(name):
            return [one for value, there in found for one in keys(value, there)]
        case ast.Call(func=ast.Attribute(attr=name)) if found := place.of_the_only(name):
            return [one for value, there in found for one in keys(value, there)]
        case ast.Name(id=name) if found := place.assigned(name):
            later = [text for key in place.put_into(name) for text in texts(key, place)]
            return [*(one for value in found for one in keys(value, place)), *later]
        case _:
            return [f"**{called(expr)}"]


def entries(made: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """The keys of a dict that is written out, with their values."""
    pairs = zip(made.keys, made.values, strict=True) if isinstance(made, ast.Dict) else ()
    return [(key, value) for key, value in pairs if key is not None]


def called(expr: ast.expr) -> str:
    """By what a person would know it: `outcome` for `found.outcome`, `fault` for `fault.model_dump()`."""
    match expr:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lstrip("_")
        case ast.Call(func=ast.Attribute(value=inner)) | ast.Call(args=[inner, *_]):
            return called(inner)
        case _:
            return "value"


def _looked_up(expr: ast.expr, place: Place) -> list[str]:
    asking = (ast.unparse(expr), *place.functions)
    if asking in place.asked:
        return []
    place = replace(place, asked=place.asked | {asking})
    match expr:
        case ast.Name(id=name):
            found = [(value, place) for value in place.assigned(name)]
            return _all(found) or place.words(name) or _all(place.given(name))
        case ast.Attribute(value=ast.Name(id=name), attr=attr):
            return place.words(name, attr) or _all(place.of_the_only(attr))
        case ast.Call(func=ast.Name(id=name)):
            return _all(place.returned(name))
        case ast.Subscript(value=ast.Name(id=name), slice=index):
            return _asked(name, texts(index, place), place)
        case _:
            return []


def _all(found: list[tuple[ast.expr, Place]]) -> list[str]:
    return [text for value, place in found for text in texts(value, place)]


def _asked(table: str, wanted: list[str], place: Place) -> list[str]:
    pairs = (pair for one in place.assigned(table) for pair in entries(one))
    return [text for key, value in pairs if texts(key, place) == wanted for text in texts(value, place)]
