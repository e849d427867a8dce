"""JSON as RFC 8259 and our storage have it: what Python's reader and PostgreSQL disagree about is refused by name.

Refused are NaN and Infinity, a field given twice, nesting and numbers beyond reason, and text that PostgreSQL cannot
hold (NUL, unpaired surrogates). Knows nothing of any model.
"""

import json
import re
from collections import Counter
from typing import Any

from dure.errors import InvalidRequest, Malformed

_SUSPECT = re.compile(r"\\u(0000|[dD][89a-fA-F])")
"""Escapes that may stand for text we cannot store; only a body that has one is walked through."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def parse(body: bytes) -> Any:
    """The value of a JSON text. Raises Malformed, InvalidRequest."""
    try:
        text = body.decode()
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
        if _SUSPECT.search(text):
            _check_text(value, ())
    except UnicodeDecodeError as error:
        raise Malformed(f"the body is not UTF-8: byte {error.start} is {body[error.start]:#04x}") from None
    except json.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise Malformed("the JSON is nested deeper than anything we take") from None
    except ValueError:
        raise Malformed("the JSON has a number with more digits than anything we take") from None
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise Malformed(f"the field {twice[:100]!a} is given twice; give it once")
    return found


def _no_constant(name: str) -> Any:
    raise Malformed(f"{name} is no JSON number")


def _check_text(value: Any, path: tuple[str, ...]) -> None:
    match value:
        case str() if _UNSTORABLE.search(value):
            field = ".".join(path) or "body"
            message = "has a NUL character or an unpaired surrogate, which no text of ours can hold; leave it out"
            raise InvalidRequest.about(field, message)
        case dict():
            for name, inner in value.items():
                _check_text(name, (*path, "(name)"))
                _check_text(inner, (*path, name))
        case list():
            for index, inner in enumerate(value):
                _check_text(inner, (*path, str(index)))
        case _:
            pass
