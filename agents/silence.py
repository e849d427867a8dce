"""Says in the log that the GPUs do not answer, once when that begins, and once when it is over."""

import logging
import threading
from datetime import UTC, datetime

log = logging.getLogger(__name__)

WHAT_TO_DO = (
    "a call may hang in the driver: look for NVRM and Xid in the kernel's log, and restart the node if it stays so"
)


class Silence:
    """Whoever looks at the newest sample tells it, on any thread: a driver that hangs wakes nobody."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_said = False

    def look(self, silent_s: float | None, *, since: float, is_explained: bool) -> None:
        """`silent_s` is None while they answer; `since` is Unix time by the node's clock. What `is_explained` by an error of the
        driver is in the log already.
        """
        is_silent = silent_s is not None
        if is_silent == self._is_said:
            return
        with self._lock:
            if is_silent == self._is_said:
                return
            self._is_said = is_silent
        if silent_s is None:
            log.info("the GPUs answer", extra={"action": "sample.answers"})
        elif not is_explained:
            sentence = "the GPUs have not answered for %.0f s, since %s: %s"
            about = {"action": "sample.silent", "since": when(since)}
            log.error(sentence, silent_s, when(since), WHAT_TO_DO, extra=about)


def when(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).isoformat()
