"""Requests and answers as they really went over the wire, by operation id. They are data: `examples.json` beside this."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer; `request` is None where no body is sent."""

    name: str
    request: Any = None
    status: int
    answer: Any = field(default=None)


def exchanges(operation_id: str) -> Sequence[Exchange]:
    """Those of an operation, the plainest first."""
    return _all().get(operation_id, ())


def requests(operation_id: str) -> Sequence[Any]:
    """Bodies that the operation took."""
    return [found.request for found in exchanges(operation_id) if found.request is not None and found.status < 400]


@cache
def _all() -> Mapping[str, Sequence[Exchange]]:
    read = json.loads(Path(__file__).with_name("examples.json").read_text())
    return {operation: [Exchange(**found) for found in exchanges] for operation, exchanges in read.items()}
