"""Doing actions: what is done first, what at most once at a time, and what is tried again when."""

import threading
from collections.abc import Callable, Iterator
from queue import Queue
from typing import Any

import pytest
from structlog.testing import capture_logs

from scheduler.kube import performing
from scheduler.kube.actions import Action, Apply, Create, Delete, Json, Keep, Open, Patch, Remove, Tell
from scheduler.kube.connection import Away, Connection, Refused
from scheduler.kube.performing import HELD_S, LONGEST_S, Done, Performer, Withheld, describe, key_of, wait_s
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
KEEP = Keep(path=POD, uid="uid-p", container="main", is_over=True)
TELL = Tell(path=POD, uid="uid-p", reason="NoLease", message="You have none.")
APPLY = Apply(path=QUOTA, body={"metadata": {"name": "dure-gpus"}})
CREATE = Create(path="/api/v1/namespaces", body={"metadata": {"name": "dure-co-acme"}})
REMOVE = Remove(path=QUOTA, uid="uid-q")


class Server(Connection):
    """Answers what a test says: `answer` is called with the method and the path, and raises or returns an object."""

    def __init__(self) -> None:  # pyright: ignore[reportMissingSuperCall]
        self.got: list[tuple[str, str, Any]] = []
        self.answer: Callable[[str, str], Json] = lambda _, __: {}
        self.lines = "the last lines"

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

    def text(self, path: str, **query: Any) -> str:
        self._said("text", path, query)
        return self.lines


class Doing:
    """A performer, and what it said was done; between `begin` and `end` it has threads."""

    def __init__(self) -> None:
        self.server, self.world = Server(), World(lambda _: None)
        self.done: Queue[Done] = Queue()
        self.kept: list[tuple[str, str | None]] = []
        self.may: Callable[[Action], bool] = lambda _: True
        self.tell: Callable[[Done], None] = self.done.put
        self.performer = Performer(
            self.server,
            self.world,
            now=lambda: NOW,
            may_act=self._may,
            done=self._tell,
            log_of=lambda action, lines: self.kept.append((action.uid, lines)),
        )

    def _may(self, action: Action) -> bool:
        return self.may(action)

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

    def knows_a_pod(self) -> None:
        self.world.event(Kind.PODS, {"type": "ADDED", "object": a_json_pod()})

    def deletes(self) -> list[Any]:
        return [one for one in self.server.got if one[0] == "delete"]

    def pods(self) -> list[str]:
        return [pod.uid for pod in self.world.seen("acme", frozenset(), {}).pods]


@pytest.fixture
def it() -> Iterator[Doing]:
    it = Doing()
    it.performer.start()
    yield it
    it.performer.stop()


@pytest.mark.parametrize(
    ("action", "want"),
    [
        (OPEN, ("patch", POD, list(TEST))),
        (PATCH, ("patch", POD, list(TEST))),
        (DELETE, ("delete", POD, {"gracePeriodSeconds": 30, "preconditions": {"uid": "uid-p"}})),
        (REMOVE, ("delete", QUOTA, {"preconditions": {"uid": "uid-q"}})),
        (APPLY, ("apply", QUOTA, APPLY.body)),
        (CREATE, ("create", "/api/v1/namespaces", CREATE.body)),
        (KEEP, ("text", f"{POD}/log", {"container": "main", "tailLines": 50, "limitBytes": 8192})),
    ],
)
def test_every_action_is_one_call(it: Doing, action: Action, want: tuple[str, str, Any]) -> None:
    (done,) = it.do(action)
    assert (done.action, done.at, done.failure) == (action, NOW, None)
    assert it.server.got == [want]
    assert it.performer.undone() == ()


def test_an_event_says_what_about_which_pod(it: Doing) -> None:
    it.do(TELL)
    ((_, path, body),) = it.server.got
    assert path == "/api/v1/namespaces/dure-co-acme/events"
    assert (body["reason"], body["message"], body["type"]) == ("NoLease", "You have none.", "Normal")
    assert body["involvedObject"]["uid"] == "uid-p"
    assert body["metadata"] == {"generateName": "p.", "namespace": "dure-co-acme"}


def test_ends_come_before_everything_else_and_events_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performing, "THREADS", 1)
    it, everything = Doing(), (TELL, KEEP, APPLY, CREATE, PATCH, OPEN, REMOVE, DELETE)
    it.performer.submit(everything)
    it.performer.start()
    order = [it.done.get(timeout=LONG_S).action for _ in everything]
    it.performer.stop()
    assert order == [REMOVE, DELETE, OPEN, PATCH, APPLY, CREATE, KEEP, TELL]


def test_what_is_being_done_is_not_begun_again(it: Doing) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def answer(_: str, __: str) -> Json:
        begun.set()
        assert may_end.wait(LONG_S)
        return {}

    it.server.answer = answer
    it.performer.submit((DELETE,))
    assert begun.wait(LONG_S)
    assert it.performer.submit((DELETE, DELETE)) is None
    may_end.set()
    it.done.get(timeout=LONG_S)
    assert len(it.server.got) == 1
    it.do(DELETE)
    assert len(it.server.got) == 2


def test_what_is_begun_again_by_whoever_is_told_that_it_is_done_is_still_done_by_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(performing, "THREADS", 2)
    it, is_again, may_end = Doing(), threading.Event(), threading.Event()

    def answer(method: str, _: str) -> Json:
        if method == "delete" and len(it.deletes()) == 2:
            is_again.set()
            assert may_end.wait(LONG_S)
        return {}

    def tell(done: Done) -> None:
        if done.action is DELETE and len(it.deletes()) == 1:
            it.performer.submit((DELETE,))
            assert is_again.wait(LONG_S)
        it.done.put(done)

    it.server.answer, it.tell = answer, tell
    it.performer.start()
    it.do(DELETE)
    it.do(PATCH)  # by the thread that told, which is back by now
    it.performer.submit((DELETE,))
    it.do(PATCH)
    assert len(it.deletes()) == 2
    may_end.set()
    it.performer.stop()


def test_what_could_not_be_done_is_known_with_its_age_until_it_is_done(
    it: Doing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(performing, "FIRST_S", 0.0)
    it.fails(Away("503: later"))
    for tries in (1, 2, 3):
        (done,) = it.do(DELETE)
        assert isinstance(done.failure, Away)
        (undone,) = it.performer.undone()
        assert (undone.action, undone.since, undone.tries, undone.why) == (DELETE, NOW, tries, "503: later")
    it.server.answer = lambda _, __: {}
    it.do(DELETE)
    assert it.performer.undone() == ()


@pytest.mark.parametrize(
    ("error", "least", "most"),
    [
        (Away("away"), 0.0, 0.2),
        (Away("away", retry_after_s=7), 6.0, 7.0),
        (Away("away", retry_after_s=86_400), LONGEST_S - 1, LONGEST_S),
        (Refused(422, "Invalid", "test failed"), 0.0, 0.2),
        (Refused(409, "Conflict", "another uid"), 0.0, 0.2),
        (Refused(403, "Forbidden", "by policy"), 0.0, 0.2),
        (RuntimeError("ours"), 0.0, 0.2),
    ],
)
def test_what_failed_is_not_tried_again_before_it_may(it: Doing, error: Exception, least: float, most: float) -> None:
    it.fails(error)
    with capture_logs():
        it.do(OPEN)
    it.server.answer = lambda _, __: {}
    again = it.performer.submit((OPEN,))
    if again is None:
        assert least == 0.0, "it was done before"
        return
    assert least <= again - NOW <= most
    assert len(it.server.got) == 1


def test_the_first_of_those_that_wait_says_when_to_ask_again(it: Doing) -> None:
    it.fails(Away("away", retry_after_s=20))
    it.do(OPEN)
    it.fails(Away("away", retry_after_s=9))
    it.do(DELETE)
    again = it.performer.submit((OPEN, DELETE))
    assert again is not None
    assert 8 <= again - NOW <= 9


def test_each_failure_is_waited_for_longer_up_to_a_limit() -> None:
    waits = [wait_s(Away("away"), tries) for tries in range(1, 12)]
    assert waits[:4] == [0.2, 0.4, 0.8, 1.6]
    assert max(waits) == LONGEST_S
    assert wait_s(Withheld("no"), 50) == HELD_S


def test_what_is_not_wanted_any_more_is_forgotten(it: Doing) -> None:
    it.fails(Away("away"))
    it.do(DELETE, OPEN)
    it.performer.settle(frozenset({key_of(DELETE)}))
    assert [one.action for one in it.performer.undone()] == [DELETE]
    it.performer.settle(frozenset())
    assert it.performer.undone() == ()


@pytest.mark.parametrize("action", [OPEN, PATCH, DELETE])
def test_a_pod_that_is_not_there_is_known_to_be_gone_and_nothing_is_undone(it: Doing, action: Action) -> None:
    it.knows_a_pod()
    it.fails(Refused(404, "NotFound", "no such pod"))
    (done,) = it.do(action)
    assert isinstance(done.failure, Refused)
    assert (it.pods(), it.performer.undone()) == ([], ())


def test_an_object_that_is_not_there_is_known_to_be_gone(it: Doing) -> None:
    meta = {"name": "dure-gpus", "namespace": "dure-co-acme", "uid": "uid-q", "resourceVersion": "5"}
    it.world.event(Kind.QUOTAS, {"type": "ADDED", "object": {"metadata": meta}})
    it.fails(Refused(404, "NotFound", "no such quota"))
    it.do(REMOVE)
    assert it.world.seen("acme", frozenset(), {}).objects == {}
    assert it.performer.undone() == ()


@pytest.mark.parametrize("status", [409, 422, 403, 400])
def test_what_is_refused_is_undone_and_the_pod_stays_known(it: Doing, status: int) -> None:
    it.knows_a_pod()
    it.fails(Refused(status, "No", "no"))
    it.do(OPEN)
    assert it.pods() == ["uid-p"]
    assert len(it.performer.undone()) == 1


@pytest.mark.parametrize("action", [APPLY, CREATE, TELL])
def test_where_there_is_no_namespace_it_is_waited_and_not_tried_without_end(it: Doing, action: Action) -> None:
    it.fails(Refused(404, "NotFound", "no such namespace"))
    it.do(action)
    assert len(it.performer.undone()) == 1


def test_what_the_api_server_answers_is_known(it: Doing) -> None:
    it.knows_a_pod()
    it.server.answer = lambda _, __: a_json_pod(version=8, nodeName="n1")
    it.do(OPEN)
    assert [pod.node for pod in it.world.seen("acme", frozenset(), {}).pods] == ["n1"]


def test_what_may_not_be_done_now_is_not_done_and_is_undone(it: Doing) -> None:
    it.may = lambda action: not isinstance(action, Delete)
    (done,) = it.do(DELETE)
    assert isinstance(done.failure, Withheld)
    assert it.server.got == []
    assert [one.action for one in it.performer.undone()] == [DELETE]
    again = it.performer.submit((DELETE,))
    assert again is not None
    assert again - NOW <= HELD_S


def test_a_gate_that_is_being_opened_or_was_tried_to_be_is_known(it: Doing) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def answer(_: str, __: str) -> Json:
        begun.set()
        assert may_end.wait(LONG_S)
        raise Away("who knows whether it is open")

    it.server.answer = answer
    assert it.performer.begun() == {}
    it.performer.submit((OPEN,))
    assert begun.wait(LONG_S)
    assert it.performer.begun() == {"uid-p": ("lea_a", "n1")}
    may_end.set()
    it.done.get(timeout=LONG_S)
    assert it.performer.begun() == {"uid-p": ("lea_a", "n1")}
    it.performer.settle(frozenset())
    assert it.performer.begun() == {}


def test_a_pod_is_told_the_same_once(it: Doing) -> None:
    it.do(TELL)
    assert it.performer.submit((TELL,)) is None
    other = Tell(path=POD, uid="uid-p", reason="NoLease", message="You have none of that.")
    it.do(other)
    it.performer.forget(frozenset({"uid-p"}))
    it.do(other)
    assert [body["message"] for _, _, body in it.server.got] == [TELL.message, other.message, other.message]


def test_what_a_pod_was_not_told_is_told_again(it: Doing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performing, "FIRST_S", 0.0)
    it.fails(Away("away"))
    it.do(TELL)
    it.server.answer = lambda _, __: {}
    it.do(TELL)
    assert len(it.server.got) == 2


def test_last_lines_are_handed_on(it: Doing) -> None:
    it.do(KEEP)
    assert it.kept == [("uid-p", "the last lines")]


@pytest.mark.parametrize("status", [400, 404])
def test_a_pod_without_lines_is_not_asked_for_them_for_ever(it: Doing, status: int) -> None:
    """Its container never began, or its node is gone."""
    it.fails(Refused(status, "No", "container is waiting to start"))
    (done,) = it.do(KEEP)
    assert (done.failure, it.kept, it.performer.undone()) == (None, [("uid-p", None)], ())


def test_a_failure_of_our_own_is_logged_and_tried_again(it: Doing) -> None:
    it.fails(ValueError("ours"))
    with capture_logs() as logs:
        (done,) = it.do(PATCH)
    assert isinstance(done.failure, ValueError)
    assert [one["log_level"] for one in logs] == ["error"]
    assert len(it.performer.undone()) == 1


def test_whoever_is_told_may_fail_and_the_rest_is_done(it: Doing) -> None:
    def tell(done: Done) -> None:
        it.done.put(done)
        raise RuntimeError("told too much")

    it.tell = tell
    with capture_logs():
        for _ in range(performing.THREADS + 1):
            it.do(APPLY)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (DELETE, Delete(path=POD, uid="uid-p", grace_s=29, why="late"), True),
        (DELETE, Delete(path=POD, uid="uid-p", grace_s=1, why="hurried"), False),
        (DELETE, Delete(path=POD, uid="uid-again", grace_s=30, why="another"), False),
        (OPEN, Open(path=POD, uid="uid-p", lease="lea_b", node="n2", operations=()), True),
        (PATCH, Patch(path=POD, uid="uid-p", what="deadline 5", operations=()), False),
        (TELL, Tell(path=POD, uid="uid-p", reason="Full", message=""), False),
        (APPLY, Apply(path=QUOTA, body={"metadata": {"name": "dure-gpus"}, "spec": {}}), True),
        (REMOVE, Remove(path=QUOTA, uid="uid-r"), False),
    ],
)
def test_what_makes_two_actions_the_same(one: Action, other: Action, same: bool) -> None:
    assert (key_of(one) == key_of(other)) is same


@pytest.mark.parametrize("action", [OPEN, PATCH, DELETE, KEEP, TELL, APPLY, CREATE, REMOVE])
def test_every_action_can_be_said_in_a_log(action: Action) -> None:
    assert action.path in describe(action)
