"""The agent's log: one JSON object a line on stderr, each with an `action` word that does not change."""

import json
import logging
from datetime import UTC, datetime

from dure import log_lines

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""What every record has; anything else on it was given as `extra`."""

_OURS = ("agents.", "dure.")
"""How the names of our own loggers begin."""


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        given = _given(record)
        line: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "action": given.get("action", log_lines.LIBRARY),
            "event": record.getMessage(),
            "logger": record.name,
        }
        line.update({name: value for name, value in given.items() if name not in line})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # In ASCII, as the encoding of stderr is not known here.
        return json.dumps(line, default=str)


def start(level: str) -> None:
    """Sends every log line of this process to stderr as JSON, a library's and what nobody caught as well."""
    log_lines.begin(JsonLines(), level)


def _given(record: logging.LogRecord) -> dict[str, object]:
    """What was said beside the words; a library's is its own affair."""
    if not record.name.startswith(_OURS):
        return {}
    return {name: value for name, value in vars(record).items() if name not in _OWN}
