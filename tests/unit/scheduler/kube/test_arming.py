"""Ends that are decided a moment ahead: each is asked for once, at its instant and never before."""

from collections.abc import Iterator
from queue import Empty, Queue
from threading import Event

import pytest

from scheduler.kube import arming
from scheduler.kube.actions import Delete, End, Remove
from scheduler.kube.arming import Arming

LONG_S = 20
NOW = 1000.0


class Armed:
    """An `Arming` with a clock that a test sets."""

    def __init__(self) -> None:
        self.now, self.fails = NOW, False
        self.fired: Queue[End] = Queue()
        self.asked = Event()
        self.arming = Arming(now=self._now, fire=self._fire)

    def _now(self) -> float:
        self.asked.set()
        return self.now

    def _fire(self, due: tuple[End, ...]) -> None:
        if due and self.fails:
            raise ValueError("a fault")
        for one in due:
            self.fired.put(one)

    def looks(self) -> None:
        """It has looked at the clock since this was called, and done what came of it but for the last look."""
        for _ in range(2):
            self.asked.clear()
            assert self.asked.wait(LONG_S)

    def come(self) -> str:
        return self.fired.get(timeout=LONG_S).uid


@pytest.fixture
def it(monkeypatch: pytest.MonkeyPatch) -> Iterator[Armed]:
    monkeypatch.setattr(arming, "LOOKS_S", 0.01)
    it = Armed()
    it.arming.start()
    yield it
    it.arming.stop()


def end(uid: str, at: int) -> Delete:
    return Delete(path=f"/api/v1/namespaces/dure-co-acme/pods/{uid}", uid=uid, grace_s=25, why="it ends", at=at)


def test_each_end_is_asked_for_at_its_instant_and_never_before(it: Armed) -> None:
    it.arming.only("acme", [end("late", 1002), end("soon", 1001)])
    it.now = 1000.999
    it.looks()
    assert it.fired.empty()
    it.now = 1001.0
    assert it.come() == "soon"
    it.looks()
    assert it.fired.empty()
    it.now = 1002.5
    assert it.come() == "late"


def test_what_is_decided_otherwise_meanwhile_is_not_asked_for(it: Armed) -> None:
    it.arming.only("acme", [end("extended", 1001)])
    it.arming.only("globex", [end("other", 1001)])
    it.arming.only("acme", [])
    it.now = 1001.0
    assert it.come() == "other"
    it.looks()
    assert it.fired.empty()


def test_what_is_due_as_it_is_said_is_asked_for_at_once(it: Armed) -> None:
    it.now = 2000.0
    it.arming.only("acme", [end("due", 1001)])
    assert it.come() == "due"


def test_a_key_whose_instant_moved_is_taken_at_the_new_one(it: Armed) -> None:
    it.arming.only("acme", [Remove(path="/binding", uid="key", at=1001)])
    it.arming.only("acme", [Remove(path="/binding", uid="key", at=1002)])
    it.now = 1001.5
    it.looks()
    assert it.fired.empty()
    it.now = 1002.0
    assert it.come() == "key"


def test_what_could_not_be_asked_for_keeps_nothing_else_from_it(it: Armed) -> None:
    it.fails = True
    it.arming.only("acme", [end("fails", 1000)])
    it.looks()
    it.fails = False
    it.arming.only("acme", [end("next", 1000)])
    assert it.come() == "next"


def test_nothing_is_asked_for_after_its_end(it: Armed) -> None:
    it.arming.only("acme", [end("armed", 1001)])
    it.arming.stop()
    it.arming.only("acme", [end("again", 1001)])
    it.now = 1001.0
    with pytest.raises(Empty):
        it.fired.get(timeout=0.1)
