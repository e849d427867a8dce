"""What pydantic found wrong, said field by field for a person: where, why, and what would be right.

What would be right is taken from the address's own example, so it is always something that was really accepted.
"""

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.requests import Request

from api import examples
from dure.mistakes import sentence
from dure.wire import FieldError

MOST = 20
"""A body can be wrong in thousands of places; the first of them are enough to go on."""

Location = Sequence[int | str]


def errors_of(error: RequestValidationError, request: Request) -> list[FieldError]:
    """Each with a path like `shape.gpus`, or `body` for the whole of it."""
    route = request.scope["route"]
    model = route.body_field.field_info.annotation if route.body_field is not None else None
    sent = examples.requests(route.name)
    return [_field_error(found, model, sent) for found in error.errors()[:MOST]]


def _field_error(found: Mapping[str, Any], model: Any, sent: Sequence[Any]) -> FieldError:
    place, *path = found["loc"]
    name = _header(path) if place == "header" else ".".join(str(part) for part in path)[:200]
    return FieldError(field=name or "body", message=_message(found, place, path, model, sent))


def _message(found: Mapping[str, Any], place: str, path: Location, model: Any, sent: Sequence[Any]) -> str:
    if found["type"] == "extra_forbidden":
        return _unknown(str(path[-1]), _model_at(model, path[:-1]))
    message = _lowered(sentence(found))
    if place == "query" and "datetime" in found["type"]:
        return f"{message}; for example 2026-11-24T09:00:00Z (a + in an address is written %2B)"
    for example in sent if place == "body" else ():
        right = _at(example, path)
        if right is not None:
            return f"{message}; for example {json.dumps(right, ensure_ascii=False)}"
    return message


def _unknown(name: str, model: type[BaseModel] | None) -> str:
    known = sorted(model.model_fields) if model is not None else []
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"is no field here; did you mean {near[0]}?"
    return f"is no field here; there are {', '.join(known)}" if known else "is no field here"


def _model_at(model: Any, path: Location) -> type[BaseModel] | None:
    for part in path:
        found = _model(model)
        if isinstance(part, str) and found is not None and part in found.model_fields:
            model = found.model_fields[part].annotation
    return _model(model)


def _model(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation such as `list[GpuReading]` or `Shape | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model(inner)) is not None), None)


def _at(example: Any, path: Location) -> Any:
    """What the example has at the path; any item of a list stands for every other."""
    for part in path:
        if isinstance(example, dict):
            example = example.get(part)
        elif isinstance(example, list) and example:
            example = example[0]
        else:
            return None
    return example


def _header(path: Location) -> str:
    return "-".join(part.capitalize() for part in str(path[0]).split("-")) if path else ""


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]
