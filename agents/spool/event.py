"""An event as it goes over the wire, and is kept: small, and within what `dure.wire.NodeEvent` takes."""

import math
import re

from agents.events import Event
from agents.reporting import wire
from agents.reporting.readings import text
from agents.reporting.wire import Json

MOST_BYTES = 4 << 10
MOST_DETAILS = 32
LONGEST_TEXT = 1000
SHORT_TEXT = 60

_GPU = re.compile(r"(GPU|MIG)-[0-9A-Za-z./-]{1,90}")
_WORD = re.compile(r"[A-Za-z0-9_-]{1,64}")


def told(event: Event, number: int) -> Json:
    for longest in (LONGEST_TEXT, SHORT_TEXT):
        detail = {name: _value(value, longest) for name, value in event.detail.items() if _WORD.fullmatch(name)}
        found: Json = {
            "id": number,
            "at": round(min(max(event.at, 0.0), wire.LATEST_TIME), 3) if math.isfinite(event.at) else 0.0,
            "kind": event.kind,
            "gpu": event.gpu if event.gpu is not None and _GPU.fullmatch(event.gpu) else None,
            "detail": dict(list(detail.items())[:MOST_DETAILS]),
        }
        if len(wire.encoded(found)) <= MOST_BYTES:
            return found
    return {**found, "detail": {}}


def _value(value: object, longest: int) -> object:
    if isinstance(value, str):
        return text(value, longest)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) <= 1 << 62 else None
    return value if isinstance(value, float) and math.isfinite(value) else None
