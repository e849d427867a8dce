"""In words: what kind of value a setting takes, between which bounds, and what it is where nothing is said."""

import types
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

_WORDS: Mapping[object, str] = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    Path: "a path",
    bool: "true or false",
}


def taken(annotation: Any, metadata: Iterable[object]) -> str:
    """Of a field of pydantic's: its type with the bounds that its metadata has."""
    bounds = {
        name: getattr(one, name) for one in metadata for name in ("ge", "gt", "le", "lt", "pattern") if _has(one, name)
    }
    least, above, most = bounds.get("ge"), bounds.get("gt"), bounds.get("le")
    said = between(annotation, least, most) if above is None else f"{kind(annotation)} above {above:g}, to {most:g}"
    return f"{said} that fits `{bounds['pattern']}`" if "pattern" in bounds else said


def between(annotation: Any, least: float | None, most: float | None) -> str:
    """The kind of value, and its bounds where it has any."""
    word = kind(annotation)
    if least is None and most is None:
        return word
    return f"{word}, {least:g} or more" if most is None else f"{word}, {least:g} to {most:g}"


def kind(annotation: Any) -> str:
    """In words for a person who sets a variable."""
    if get_origin(annotation) in (Union, types.UnionType):
        # Unset is not a value that one writes.
        (annotation,) = (one for one in get_args(annotation) if one is not type(None))
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(f"`{word}`" for word in get_args(annotation))
    if annotation in _WORDS:
        return _WORDS[annotation]
    origin = get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "names with values, `name=value`, separated by commas"
    return "a list, separated by commas"


def said(value: object) -> str:
    """As one would write it; empty for what is not set."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ",".join(f"{name}={one}" for name, one in value.items())
    if isinstance(value, Collection) and not isinstance(value, str):
        return ",".join(sorted(map(str, value)) if isinstance(value, frozenset) else map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _has(one: object, name: str) -> bool:
    return getattr(one, name, None) is not None
