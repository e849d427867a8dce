"""Doing actions: on threads of their own, ends beside everything else, each at most once at a time.

What fails is tried again later by whoever decided it, since it is decided again from what there is; here is only kept
what must not be tried before when, and since when something could not be done.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from queue import PriorityQueue

import structlog

from scheduler.kube import manifests, telling
from scheduler.kube.actions import (
    Action,
    Apply,
    Create,
    Delete,
    Follow,
    Keep,
    Key,
    Open,
    Patch,
    Remove,
    Tell,
    describe,
    key_of,
)
from scheduler.kube.connection import Away, Connection, Refused
from scheduler.kube.lines import LogReader
from scheduler.kube.observed import Begun
from scheduler.kube.world import World

log = structlog.get_logger()

THREADS = 16
"""For what changes a cluster."""

ASIDE: dict[type[Action], int] = {Delete: 96, Remove: 48, Follow: 4, Keep: 4, Tell: 2}
"""What waits for kubelets, or for others of its kind, has threads of its own and holds up no end. Many end in the same second: all
of them, and their keys, are asked for in it, however long a busy API server takes for each.
"""

FIRST_S, LONGEST_S = 0.2, 30.0
"""The first wait after a failure, and the longest, whatever the API server asks for."""

HELD_S = 1.0
"""How long it is waited with what may not be done now."""

GIVES_UP_S = 30.0
"""Lines that could not be read for so long are given up: their kubelet is away, and nothing depends on them."""

Queued = PriorityQueue[tuple[int, int, Action | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """Something that could not be done: since when, why, and not again before."""

    action: Action
    since: float
    tries: int
    again_at: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """An action that was tried at `at` (of `now`) and took `took_s`; `failure` where it is to be decided again. `is_outdated` where
    it was said otherwise while it was done.
    """

    action: Action
    at: float
    took_s: float
    failure: Exception | None = None
    is_outdated: bool = False


class Withheld(Exception):
    """It may not be done now."""


class Superseded(Exception):
    """It waited for others, and is not wanted any more."""


class Performer:
    """`may_act` is asked before each, and `wanted` whether it still should be; `now` is the time that instants are of. `done` is
    called from its threads after each try.
    """

    def __init__(
        self,
        connection: Connection,
        world: World,
        lines: LogReader,
        *,
        now: Callable[[], float],
        may_act: Callable[[Action], bool],
        wanted: Callable[[Action], bool],
        done: Callable[[Done], None],
    ) -> None:
        self._connection, self._world, self._lines, self._now = connection, world, lines, now
        self._may_act, self._wanted, self._done = may_act, wanted, done
        self._lock = threading.Lock()
        self._busy: dict[Key, Action] = {}
        """Those that are being done, or wait to be."""
        self._running: set[Key] = set()
        """Of these the ones that are being done."""
        self._outdated: set[Key] = set()
        """Of these the ones that were said otherwise since."""
        self._undone: dict[Key, Undone] = {}
        self._opens: dict[Key, Open] = {}
        """Those that are being done, wait to be, or could not be."""
        self._told: dict[str, dict[str, str]] = {}
        """By pod, what it was told last for each reason."""
        self._changes: Queued = PriorityQueue()
        self._aside: dict[type[Action], Queued] = {kind: PriorityQueue() for kind in ASIDE}
        self._numbers = count()
        self._workers = [self._changes] * THREADS
        for kind, threads in ASIDE.items():
            self._workers += [self._aside[kind]] * threads
        """The queue that each thread works at."""
        self._threads = [
            threading.Thread(target=self._work, args=(one,), name="kube", daemon=True) for one in self._workers
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        for queue in self._workers:
            queue.put((9, next(self._numbers), None))

    def undone(self) -> tuple[Undone, ...]:
        """What could not be done when it was last tried."""
        with self._lock:
            return tuple(self._undone.values())

    def submit(self, actions: Sequence[Action]) -> float | None:
        """Begins what is not being done already, nor to be waited with; the first instant at which to ask again for the rest.
        What waits to be done is done as it was said last.
        """
        again: float | None = None
        now = time.monotonic()
        for action in actions:
            key = key_of(action)
            with self._lock:
                held = self._undone.get(key)
                if key in self._busy:
                    self._say_anew(key, action)
                    continue
                if isinstance(action, Tell) and self._was_told(action):
                    continue
                if held is not None and held.again_at > now:
                    again = min(again or held.again_at, held.again_at)
                    continue
                self._say_anew(key, action)
            queue = self._aside.get(type(action), self._changes)
            queue.put((_priority(action), next(self._numbers), action))
        return None if again is None else self._now() + again - now

    def begun(self) -> Begun:
        """Pods whose gate is being opened, or was tried to be: whether it is open already nobody knows."""
        with self._lock:
            return {one.uid: (one.lease, one.node) for one in self._opens.values()}

    def settle(self, wanted: frozenset[Key]) -> None:
        """Forgets what could not be done and is not wanted any more."""
        with self._lock:
            for key in self._undone.keys() - wanted:
                del self._undone[key]
                self._forget_open(key)

    def forget(self, uids: frozenset[str]) -> None:
        """Pods that are gone are told nothing any more."""
        with self._lock:
            for uid in uids:
                self._told.pop(uid, None)

    def _say_anew(self, key: Key, action: Action) -> None:
        if key in self._running:
            if action != self._busy[key]:
                self._outdated.add(key)
            return
        self._busy[key] = action
        if isinstance(action, Open):
            self._opens[key] = action

    def _was_told(self, action: Tell) -> bool:
        return self._told.get(action.uid, {}).get(action.reason) == action.message

    def _forget_open(self, key: Key) -> None:
        if key not in self._busy and key not in self._undone:
            self._opens.pop(key, None)

    def _work(self, queue: Queued) -> None:
        while (queued := queue.get()[2]) is not None:
            key = key_of(queued)
            with self._lock:
                self._running.add(key)
                action = self._busy[key]
            at, began = self._now(), time.monotonic()
            failure = self._tried(action)
            with self._lock:
                del self._busy[key]
                self._running.discard(key)
                is_outdated = key in self._outdated
                self._outdated.discard(key)
                self._forget_open(key)
            try:
                took_s = time.monotonic() - began
                self._done(Done(action=action, at=at, took_s=took_s, failure=failure, is_outdated=is_outdated))
            except Exception:
                log.exception("what was done could not be told", action="kube_failed", what=describe(action))

    def _tried(self, action: Action) -> Exception | None:
        """Does it, or puts it off; why it is to be decided again."""
        key = key_of(action)
        try:
            if not self._wanted(action):
                raise Superseded("it is not wanted any more")
            if not self._may_act(action):
                raise Withheld("it may not be done now")
            self._do(action)
        except Superseded as error:
            return error
        except Exception as error:  # noqa: BLE001 - whatever it was, it is logged, and tried again
            if not (isinstance(error, Refused) and self._expected(action, error)) and not self._gives_up(action, error):
                self._put_off(key, action, error)
            return error
        with self._lock:
            self._undone.pop(key, None)
            if isinstance(action, Tell):
                self._told.setdefault(action.uid, {})[action.reason] = action.message
        return None

    def _do(self, action: Action) -> None:
        match action:
            case Apply(path=path, body=body):
                self._world.answered(self._connection.apply(path, body))
            case Create(path=path, body=body):
                self._world.answered(self._connection.create(path, body))
            case Remove(path=path, uid=uid):
                self._connection.delete(path, {"preconditions": {"uid": uid}})
            case Open(path=path, operations=operations) | Patch(path=path, operations=operations):
                self._world.answered(self._connection.patch(path, list(operations)))
            case Delete(path=path, uid=uid):
                body = {"gracePeriodSeconds": action.left_s(self._now()), "preconditions": {"uid": uid}}
                self._world.answered(self._connection.delete(path, body))
            case Follow():
                self._lines.follow(action)
            case Keep():
                if not self._lines.read_once(action):
                    raise Withheld("its pod is not written down yet")
            case Tell():
                self._connection.create(telling.path(action), telling.event(action, self._now()))

    def _expected(self, action: Action, error: Refused) -> bool:
        """What a world that moved on answers: it is decided again from what is now known."""
        if error.status == 404 and isinstance(action, (Delete, Open, Patch, Remove)):
            self._world.gone(action.path, action.uid)
            return True
        return False

    def _gives_up(self, action: Action, error: Exception) -> bool:
        with self._lock:
            held = self._undone.get(key_of(action))
            if not isinstance(action, Keep) or held is None or self._now() - held.since < GIVES_UP_S:
                return False
            del self._undone[key_of(action)]
        self._lines.is_kept(action)
        log.warning("last lines are given up", action="kube_lines_lost", what=describe(action), why=str(error))
        return True

    def _put_off(self, key: Key, action: Action, error: Exception) -> None:
        with self._lock:
            held = self._undone.get(key)
            tries = 1 if held is None else held.tries + 1
            since = self._now() if held is None else held.since
            again_at = time.monotonic() + wait_s(error, tries)
            self._undone[key] = Undone(action=action, since=since, tries=tries, again_at=again_at, why=str(error))
        if not isinstance(error, (Away, Refused, Withheld)):
            log.error(
                "an action failed and is tried again", action="kube_failed", what=describe(action), exc_info=error
            )
        elif tries in (1, 5, 50):
            why = str(error)
            log.warning(
                "a cluster did not do it; it is tried again", action="kube_undone", what=describe(action), why=why
            )


def wait_s(error: Exception, tries: int) -> float:
    """How long it is waited after a failure that is the so-manieth in a row."""
    if isinstance(error, Withheld):
        return HELD_S
    asked = error.retry_after_s if isinstance(error, Away) else None
    return min(LONGEST_S, max(asked or 0, FIRST_S * 2 ** min(tries - 1, 10)))


def _priority(action: Action) -> int:
    """Among those that the same threads do. Without its binding a key is worth nothing: its account can wait."""
    match action:
        case Remove(path=path):
            return int(manifests.BINDINGS not in path)
        case Patch():
            return 1
        case Apply() | Create():
            return 2
        case _:
            return 0
