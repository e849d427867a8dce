"""Logs: one JSON object a line, each with an `action` word that never changes."""

import json
import logging
import sys
from contextlib import suppress
from threading import Lock
from typing import BinaryIO

import orjson
import structlog
from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_logger_name
from structlog.typing import EventDict, WrappedLogger

from dure import log_lines

OURS = "dure."
"""How the loggers of those of our own modules begin that log without structlog."""


def configure() -> None:
    """For a whole process, before its first line. What others than Dure say is told from warnings on."""
    lines = _Lines(sys.stderr and sys.stderr.buffer)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    log_lines.begin(_foreign(), logging.WARNING)


class _Lines:
    """To stderr, if there is one. A line that cannot be written, as a disk is full or nobody reads any more, ends nobody."""

    def __init__(self, stderr: BinaryIO | None) -> None:
        self._stderr, self._lock = stderr, Lock()

    def msg(self, line: bytes) -> None:
        if self._stderr is None:
            return
        with self._lock, suppress(OSError, ValueError):
            self._stderr.write(line + b"\n")
            self._stderr.flush()

    debug = info = warning = error = critical = exception = msg


def _foreign() -> logging.Formatter:
    """For what comes by the standard library: of libraries, and of `dure`."""
    return ProcessorFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            _named,
            add_logger_name,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
        ],
        # In ASCII, as the encoding of stderr is not known here.
        processors=[ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
    )


_extra = ExtraAdder()


def _named(logger: WrappedLogger, method: str, line: EventDict) -> EventDict:
    """With its action: a library's `extra` is its own affair, and has no say in that."""
    said = _extra(logger, method, line) if line["_record"].name.startswith(OURS) else line
    said.setdefault("action", log_lines.LIBRARY)
    return said


def _dumps(line: dict[str, object], **_: object) -> bytes:
    """What orjson refuses, half a surrogate pair or a whole number of more than 64 bits, costs no line."""
    try:
        return orjson.dumps(line, default=repr)
    except orjson.JSONEncodeError:
        return json.dumps({name: _sayable(value) for name, value in line.items()}, default=repr).encode()


def _sayable(value: object) -> object:
    """Itself, if JSON can hold it. What refers to itself, is too deep or fails in its own `__repr__` raises almost anything."""
    try:
        json.dumps(value, default=repr)
    except Exception:  # noqa: BLE001 - a line costs its caller nothing
        return f"a {type(value).__name__} that cannot be told"
    return value
