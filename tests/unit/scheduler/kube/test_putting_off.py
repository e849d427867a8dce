"""What could not be done: since when, when it is tried again, and when it is given up."""

import pytest
from structlog.testing import capture_logs

from scheduler.kube import performing
from scheduler.kube.actions import Action, key_of
from scheduler.kube.connection import Away, Refused
from scheduler.kube.performing import HELD_S, LONGEST_S, Withheld, wait_s
from scheduler.kube.world import Kind
from tests.unit.scheduler.kube.doing import APPLY, CREATE, DELETE, NOW, OPEN, PATCH, REMOVE, TELL, Doing


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
    assert it.world.seen("acme", {}, {}).objects == {}
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
