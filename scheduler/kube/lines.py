"""Last lines of containers: followed from before their end until it is over, as a kubelet removes them about a second later.

Each follow has a thread of its own, so that a kubelet that hangs holds up nothing but itself. There are so many at most;
where none is left, what is there as the end begins is read, and in any case once more when it is over.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress

import structlog

from dure.errors import Unavailable
from scheduler.kube.actions import Follow, Keep
from scheduler.kube.connection import Away, Connection, Refused
from scheduler.kube.observed import Lines
from scheduler.kube.world import owner
from scheduler.store.leader import Deposed

log = structlog.get_logger()

LINES, BYTES = 50, 8_192
"""How much of a log is kept."""

WHOLE = 1_048_576
"""How much of one is read at most for it: a kubelet's lines are of 16 KiB at most, so those that are kept are in it. A follow
of which more has come begins again at the end of the log, so that nobody's chatter keeps us busy.
"""

AT_ONCE = 64
"""So many are followed at once, of one company half as many."""

PAUSE_S = 1.0
"""How long it is waited before a follow that broke off begins again; twice as long each time that nothing
came of it, as a kubelet that is away answers for none of its pods, and all of them end.
"""

HANDED_S = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Waits before lines that were followed are handed on: their pod may not be written down yet, or the database be away."""

NO_LINES = (
    b"unable to retrieve container logs for ",
    b"failed to try resolving symlinks in path ",
    b"failed to open log file ",
)
"""What a kubelet says, in the place of lines and with status 200, when it has removed them."""

BROKEN_OFF = b"rpc error: code = NotFound desc = an error occurred when try to find container "
"""What a kubelet says behind the last line, when it removes a container whose lines it is sending."""

Line = tuple[str, str]
"""A container: its pod's uid, and its name."""


class Tail:
    """The end of all that was added."""

    def __init__(self) -> None:
        self.total = 0
        self._held = b""

    def add(self, piece: bytes) -> None:
        self.total += len(piece)
        self._held = (self._held + piece)[-(BYTES + 1) :]

    @property
    def text(self) -> str | None:
        """At most so many whole lines of it; None where a kubelet said that it has none."""
        if self.total <= BYTES and self._held.startswith(NO_LINES) and not self._held.endswith(b"\n"):
            return None
        kept = self._held[-BYTES:]
        last = kept[kept.rfind(b"\n") + 1 :]
        if last.startswith(BROKEN_OFF):
            kept = kept.removesuffix(last)
        if len(self._held) > BYTES and not self._held.startswith(b"\n"):
            beheaded, _, whole = kept.partition(b"\n")
            kept = whole or beheaded
        lines = kept.split(b"\n")
        lines = lines[-LINES - 1 :] if kept.endswith(b"\n") else lines[-LINES:]
        # No text in PostgreSQL has a NUL in it.
        return b"\n".join(lines).decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


class LogReader:
    """Safe from any thread. `keep` is told a pod's uid, a container and its lines, and says whether they are written down;
    `changed` is told the company of what may be read once more.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        keep: Callable[[str, str, str], bool],
        changed: Callable[[str | None], None],
    ) -> None:
        self._connection, self._keep, self._changed = connection, keep, changed
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._read: dict[str, dict[Line, Lines]] = {}
        """By company."""
        self._threads: Counter[str] = Counter()
        """How many are followed, by company."""

    def read(self, company: str) -> dict[Line, Lines]:
        """How far the lines of a company's containers are read."""
        with self._lock:
            return dict(self._read.get(company, {}))

    def only(self, company: str, uids: frozenset[str]) -> None:
        """Forgets all pods of the company but these."""
        with self._lock:
            left = {line: how for line, how in self._read.pop(company, {}).items() if line[0] in uids}
            if left:
                self._read[company] = left

    def stop(self) -> None:
        """Begins nothing more; a thread that hangs in a read does so for as long as it would follow, and does no harm."""
        self._stop.set()

    def follow(self, action: Follow) -> None:
        """Begins to, or where too many are followed already reads what there is by now. What fails is made good by the last read."""
        company, line = _of(action)
        with self._lock:
            known = self._read.setdefault(company, {})
            if line in known:
                return
            is_begun = self._threads.total() < AT_ONCE and self._threads[company] < AT_ONCE // 2
            known[line] = Lines.FOLLOWED
            self._threads[company] += is_begun
        if is_begun:
            threading.Thread(target=self._run, args=(action,), name="lines", daemon=True).start()
            return
        with suppress(Away, Refused, Unavailable, Deposed):
            said = self._whole(action)
            if said is not None:
                self._keep(*line, said)
        self._is(action, Lines.READ)

    def read_once(self, action: Keep) -> bool:
        """Of a container that is over; whether its lines are written down, if it has any. Raises Refused, Away, Unavailable, Deposed."""
        said = self._whole(action)
        is_kept = said is None or self._keep(action.uid, action.container, said)
        if is_kept:
            self.is_kept(action)
        return is_kept

    def is_kept(self, action: Keep) -> None:
        """There will be no more lines of it."""
        company, line = _of(action)
        with self._lock:
            self._read.setdefault(company, {})[line] = Lines.KEPT

    def _is(self, action: Follow, how: Lines) -> None:
        """Unless its pod is gone."""
        company, line = _of(action)
        with self._lock:
            if line in self._read.get(company, {}):
                self._read[company][line] = how
        self._changed(company)

    def _whole(self, action: Follow | Keep) -> str | None:
        """None where there are none, nor ever will be: its container never began, or it is gone with its node."""
        tail = Tail()
        query = {"container": action.container, "tailLines": LINES, "limitBytes": WHOLE}
        try:
            tail.add(self._connection.raw(f"{action.path}/log", **query))
        except Refused as error:
            if error.status in (400, 404):
                return None
            raise
        return tail.text

    def _run(self, action: Follow) -> None:
        try:
            self._hand(action, self._followed(action))
        except Exception:
            log.exception("last lines could not be followed", action="kube_failed", what=action.path)
        finally:
            with self._lock:
                self._threads[_of(action)[0]] -= 1
            self._is(action, Lines.READ)

    def _followed(self, action: Follow) -> str | None:
        """All that comes until the container is over, or for as long as it was said."""
        said: str | None = None
        until, pause_s = time.monotonic() + action.lasts_s, PAUSE_S
        while time.monotonic() < until and not self._stop.is_set():
            tail, is_over = Tail(), False
            try:
                is_over = self._stream(action, tail, until)
            except Refused:
                is_over = True
            except Away:
                pass
            said = (tail.text or said) if tail.total else said
            if is_over:
                break
            self._stop.wait(min(pause_s, max(0.0, until - time.monotonic())))
            pause_s = PAUSE_S if tail.total else 2 * pause_s
        return said

    def _stream(self, action: Follow, tail: Tail, until: float) -> bool:
        """Whether it came to its end; else there was too much of it, or no time left. Raises Refused, Away."""
        query = {"container": action.container, "follow": "true", "tailLines": LINES}
        silence_s = max(0.1, until - time.monotonic())
        with closing(self._connection.follow(f"{action.path}/log", silence_s=silence_s, **query)) as pieces:
            for piece in pieces:
                tail.add(piece)
                if tail.total > WHOLE or time.monotonic() > until or self._stop.is_set():
                    return False
        return True

    def _hand(self, action: Follow, said: str | None) -> None:
        if said is None:
            return
        for wait_s in HANDED_S:
            self._stop.wait(wait_s)
            try:
                if self._keep(action.uid, action.container, said):
                    return
            except Unavailable:
                continue
            except Deposed:
                return
        log.warning("last lines could not be written down", action="kube_lines_lost", what=action.path)


def _of(action: Follow | Keep) -> tuple[str, Line]:
    return owner(action.path) or "", (action.uid, action.container)
