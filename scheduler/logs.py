"""Logs: one JSON object a line, each with an `action` word that never changes."""

import json
import logging
import sys

import orjson
import structlog


def configure() -> None:
    """For a whole process, before its first line."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )


def _dumps(line: dict[str, object], **_: object) -> bytes:
    """What orjson refuses, half a surrogate pair or a whole number of more than 64 bits, costs no line."""
    try:
        return orjson.dumps(line, default=repr)
    except orjson.JSONEncodeError:
        return json.dumps(line, default=repr).encode()
