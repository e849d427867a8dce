"""A performer at work on an API server that answers what a test says."""

from collections.abc import Callable, Generator
from queue import Queue
from threading import Event
from typing import Any

from scheduler.kube.actions import Action, Apply, Create, Delete, Follow, Json, Keep, Open, Patch, Remove, Tell
from scheduler.kube.connection import Connection
from scheduler.kube.lines import LogReader
from scheduler.kube.performing import Done, Performer
from scheduler.kube.world import Kind, World
from tests.unit.scheduler.kube.builders import a_json_pod

NOW = 1000.0
LONG_S = 20
POD = "/api/v1/namespaces/dure-co-acme/pods/p"
QUOTA = "/api/v1/namespaces/dure-co-acme/resourcequotas/dure-gpus"
TEST = ({"op": "test", "path": "/metadata/uid", "value": "uid-p"},)

OPEN = Open(path=POD, uid="uid-p", lease="lea_a", node="n1", operations=TEST)
PATCH = Patch(path=POD, uid="uid-p", what="ending", operations=TEST)
DELETE = Delete(path=POD, uid="uid-p", grace_s=30, why="it ends", at=970)
KEEP = Keep(path=POD, uid="uid-p", container="main")
FOLLOW = Follow(path=POD, uid="uid-p", container="main", lasts_s=LONG_S)
TELL = Tell(path=POD, uid="uid-p", reason="NoLease", message="You have none.")
APPLY = Apply(path=QUOTA, body={"metadata": {"name": "dure-gpus"}})
CREATE = Create(path="/api/v1/namespaces", body={"metadata": {"name": "dure-co-acme"}})
REMOVE = Remove(path=QUOTA, uid="uid-q")


class Server(Connection):
    """Answers what a test says: `answer` is called with the method and the path, and raises or returns an object."""

    def __init__(self) -> None:  # pyright: ignore[reportMissingSuperCall]
        self.got: list[tuple[str, str, Any]] = []
        self.answer: Callable[[str, str], Json] = lambda _, __: {}
        self.lines = b"the last lines"
        self.follows: Callable[[str], Generator[bytes]] = lambda _: (one for one in (self.lines,))
        """What comes of a container's log that is followed."""

    def _said(self, method: str, path: str, body: Any = None) -> Json:
        self.got.append((method, path, body))
        return self.answer(method, path)

    def create(self, path: str, body: Json) -> Json:
        return self._said("create", path, body)

    def apply(self, path: str, body: Json) -> Json:
        return self._said("apply", path, body)

    def patch(self, path: str, operations: list[Json]) -> Json:
        return self._said("patch", path, operations)

    def delete(self, path: str, body: Json | None = None) -> Json:
        return self._said("delete", path, body)

    def raw(self, path: str, **query: Any) -> bytes:
        self._said("raw", path, query)
        return self.lines

    def follow(self, path: str, *, silence_s: float, **query: Any) -> Generator[bytes]:
        self._said("follow", path, query)
        yield from self.follows(query["container"])


class Doing:
    """A performer, and what it said was done; between `begin` and `end` it has threads."""

    def __init__(self) -> None:
        self.server, self.world = Server(), World(lambda _: None)
        self.done: Queue[Done] = Queue()
        self.now = NOW
        self.kept: Queue[tuple[str, str, str]] = Queue()
        self.keep: Callable[[], bool] = lambda: True
        """Whether lines are written down."""
        self.changed: Queue[str | None] = Queue()
        self.lines = LogReader(self.server, keep=self._keep, changed=self.changed.put)
        self.may: Callable[[Action], bool] = lambda _: True
        self.wants: Callable[[Action], bool] = lambda _: True
        self.tell: Callable[[Done], None] = self.done.put
        self.performer = Performer(
            self.server,
            self.world,
            self.lines,
            now=lambda: self.now,
            may_act=self._may,
            wanted=self._wanted,
            done=self._tell,
        )

    def _may(self, action: Action) -> bool:
        return self.may(action)

    def _wanted(self, action: Action) -> bool:
        return self.wants(action)

    def _keep(self, uid: str, container: str, lines: str) -> bool:
        is_kept = self.keep()
        if is_kept:
            self.kept.put((uid, container, lines))
        return is_kept

    def _tell(self, done: Done) -> None:
        self.tell(done)

    def do(self, *actions: Action) -> list[Done]:
        """What was tried of them; each was."""
        self.performer.submit(actions)
        return [self.done.get(timeout=LONG_S) for _ in actions]

    def fails(self, error: Exception) -> None:
        def answer(_: str, __: str) -> Json:
            raise error

        self.server.answer = answer

    def holds(self, *methods: str) -> tuple[Event, Event]:
        """Answers such calls, or all, once the second is set; the first is set when one has come."""
        begun, may_end = Event(), Event()

        def answer(method: str, _: str) -> Json:
            if not methods or method in methods:
                begun.set()
                assert may_end.wait(LONG_S)
            return {}

        self.server.answer = answer
        return begun, may_end

    def knows_a_pod(self) -> None:
        self.world.event(Kind.PODS, {"type": "ADDED", "object": a_json_pod()})

    def deletes(self) -> list[Any]:
        return [one for one in self.server.got if one[0] == "delete"]

    def pods(self) -> list[str]:
        return [pod.uid for pod in self.world.seen("acme", {}, {}).pods]
