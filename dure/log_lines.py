"""Everything that a process writes to stderr while it works is a line of its log: also what libraries say, what warnings say,
and what nobody caught.
"""

import contextlib
import logging
import sys
import threading
from types import TracebackType
from typing import TextIO

log = logging.getLogger(__name__)

LIBRARY, UNCAUGHT = "library", "uncaught"
"""The actions of lines that are not ours, and of exceptions that nobody caught."""


def begin(formatter: logging.Formatter, level: int | str) -> None:
    """For a whole process, before its first line: what comes from `level` on is put by `formatter`. Exit statuses stay as they are."""
    handler = _Handler()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # For loggers that pass nothing on and have no handler: Python itself would write their bare sentence.
    logging.lastResort = handler
    logging.captureWarnings(True)
    sys.excepthook = _ended
    threading.excepthook = _thread_ended
    sys.unraisablehook = _unraisable


class _Handler(logging.StreamHandler[TextIO]):
    """To stderr. What cannot be put into a line, as its arguments do not fit its words, is told by a line as well."""

    def emit(self, record: logging.LogRecord) -> None:
        """What is too deep for a line is no reason for its caller to fail."""
        try:
            super().emit(record)
        except RecursionError:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name for it
        said = logging.LogRecord(
            record.name,
            logging.ERROR,
            record.pathname,
            record.lineno,
            "a line cannot be written: %r",
            None,
            sys.exc_info(),
        )
        said.args = (record.msg,)
        # Where stderr itself is gone there is nowhere to say so.
        with contextlib.suppress(Exception):
            self.stream.write(self.format(said) + self.terminator)
            self.flush()


def _ended(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        log.warning("told to end by SIGINT", extra={"action": "interrupted"})
        return
    _uncaught("the process ends by an exception that nobody caught", (kind, error, trace), "main")


def _thread_ended(found: threading.ExceptHookArgs) -> None:
    if found.exc_type is SystemExit:
        return
    thread = found.thread.name if found.thread else None
    error = found.exc_value or found.exc_type()
    _uncaught("a thread ended by an exception that nobody caught", (found.exc_type, error, found.exc_traceback), thread)


def _unraisable(found: "sys.UnraisableHookArgs") -> None:
    """From where nothing can be raised: what tidies up, and what runs as the process ends."""
    error = found.exc_value or found.exc_type()
    said = found.err_msg or "an exception came up where none can be raised"
    _uncaught(said, (found.exc_type, error, found.exc_traceback), threading.current_thread().name)


def _uncaught(
    said: str, error: tuple[type[BaseException], BaseException, TracebackType | None], thread: str | None
) -> None:
    log.critical("%s", said, exc_info=error, extra={"action": UNCAUGHT, "in_thread": thread})
