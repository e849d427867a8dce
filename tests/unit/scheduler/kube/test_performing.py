"""Doing actions: what is done first, what at most once at a time, and what is tried again when."""

import threading
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from scheduler.kube import performing
from scheduler.kube.actions import Action, Apply, Delete, Json, Keep, Open, Patch, Remove, Tell, describe, key_of
from scheduler.kube.connection import Away
from scheduler.kube.performing import HELD_S, Done, Superseded, Withheld
from tests.unit.scheduler.kube.builders import a_json_pod
from tests.unit.scheduler.kube.doing import (
    APPLY,
    CREATE,
    DELETE,
    FOLLOW,
    KEEP,
    LONG_S,
    NOW,
    OPEN,
    PATCH,
    POD,
    QUOTA,
    REMOVE,
    TELL,
    TEST,
    Doing,
)


@pytest.mark.parametrize(
    ("action", "want"),
    [
        (OPEN, ("patch", POD, list(TEST))),
        (PATCH, ("patch", POD, list(TEST))),
        (DELETE, ("delete", POD, {"gracePeriodSeconds": 30, "preconditions": {"uid": "uid-p"}})),
        (REMOVE, ("delete", QUOTA, {"preconditions": {"uid": "uid-q"}})),
        (APPLY, ("apply", QUOTA, APPLY.body)),
        (CREATE, ("create", "/api/v1/namespaces", CREATE.body)),
        (KEEP, ("raw", f"{POD}/log", {"container": "main", "tailLines": 50, "limitBytes": 1048576})),
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


def test_pods_are_let_in_before_they_are_written_on_and_that_before_what_bounds_companies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(performing, "THREADS", 1)
    assert in_order(APPLY, CREATE, PATCH, OPEN) == [OPEN, PATCH, APPLY, CREATE]


def test_bindings_go_before_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(performing.ASIDE, Remove, 1)
    binding = replace(
        REMOVE, path="/apis/rbac.authorization.k8s.io/v1/namespaces/dure-co-acme/rolebindings/dure-lease-x"
    )
    account = replace(REMOVE, path="/api/v1/namespaces/dure-co-acme/serviceaccounts/dure-lease-x")
    assert in_order(account, binding) == [binding, account]


def in_order(*actions: Action) -> list[Action]:
    """As they are done that come at once."""
    it = Doing()
    it.performer.submit(actions)
    it.performer.start()
    order = [it.done.get(timeout=LONG_S).action for _ in actions]
    it.performer.stop()
    return order


def test_ends_wait_for_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(performing, "THREADS", 1)
    it = Doing()
    is_busy, may_end = it.holds("apply")
    it.performer.start()
    it.performer.submit((APPLY,))
    assert is_busy.wait(LONG_S)
    (done,) = it.do(DELETE)
    assert done.action is DELETE
    may_end.set()
    it.performer.stop()


@pytest.mark.parametrize(("now", "grace_s"), [(970.0, 25), (970.4, 24), (979.6, 15), (996.0, 1)])
def test_what_is_asked_for_late_leaves_so_much_less_grace(it: Doing, now: float, grace_s: int) -> None:
    it.now = now
    it.do(replace(DELETE, grace_s=25, gone_by=995.0))
    assert it.server.got[0][2]["gracePeriodSeconds"] == grace_s


def test_what_is_being_done_is_not_begun_again(it: Doing) -> None:
    begun, may_end = it.holds()
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


def test_what_waits_is_done_as_it_was_said_last() -> None:
    it, newer = Doing(), replace(APPLY, body={"metadata": {"name": "dure-gpus"}, "spec": {"hard": {}}})
    it.performer.submit((APPLY,))
    it.performer.submit((newer,))
    it.performer.start()
    assert it.done.get(timeout=LONG_S).action == newer
    it.performer.stop()
    assert it.server.got == [("apply", QUOTA, newer.body)]


def test_who_said_otherwise_while_it_was_done_is_told(it: Doing) -> None:
    begun, may_end = it.holds()
    it.performer.submit((DELETE,))
    assert begun.wait(LONG_S)
    it.performer.submit((DELETE, replace(DELETE, grace_s=10)))
    may_end.set()
    assert it.done.get(timeout=LONG_S).is_outdated
    (done,) = it.do(DELETE)
    assert not done.is_outdated


def test_what_waited_and_is_not_wanted_any_more_is_not_done(it: Doing) -> None:
    it.wants = lambda action: action is not APPLY
    (done,) = it.do(APPLY)
    assert isinstance(done.failure, Superseded)
    it.do(REMOVE)
    assert [method for method, *_ in it.server.got] == ["delete"]
    assert it.performer.undone() == ()


def test_what_the_api_server_answers_is_known(it: Doing) -> None:
    it.knows_a_pod()
    it.server.answer = lambda _, __: a_json_pod(version=8, nodeName="n1")
    it.do(OPEN)
    assert [pod.node for pod in it.world.seen("acme", {}, {}).pods] == ["n1"]


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
        (KEEP, Keep(path=POD, uid="uid-p", container="other"), False),
        (APPLY, Apply(path=QUOTA, body={"metadata": {"name": "dure-gpus"}, "spec": {}}), True),
        (REMOVE, Remove(path=QUOTA, uid="uid-r"), False),
    ],
)
def test_what_makes_two_actions_the_same(one: Action, other: Action, same: bool) -> None:
    assert (key_of(one) == key_of(other)) is same


@pytest.mark.parametrize("action", [OPEN, PATCH, DELETE, FOLLOW, KEEP, TELL, APPLY, CREATE, REMOVE])
def test_every_action_can_be_said_in_a_log(action: Action) -> None:
    assert action.path in describe(action)
