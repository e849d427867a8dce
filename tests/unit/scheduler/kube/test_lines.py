"""Last lines of containers: what is kept of a log, how it is followed, and what becomes of a kubelet that does not answer."""

import threading
from collections.abc import Generator
from dataclasses import replace
from queue import Empty

import pytest
from structlog.testing import capture_logs

from dure.errors import Unavailable
from scheduler.kube import lines, performing
from scheduler.kube.actions import Follow
from scheduler.kube.connection import Away, Refused
from scheduler.kube.lines import BYTES, Tail
from scheduler.kube.observed import Lines
from scheduler.kube.performing import Withheld
from scheduler.store.leader import Deposed
from tests.unit.scheduler.kube.doing import DELETE, FOLLOW, KEEP, LONG_S, NOW, POD, TELL, Doing

MAIN = ("uid-p", "main")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "PAUSE_S", 0.0)
    monkeypatch.setattr(lines, "HANDED_S", (0.0,) * 3)


def kept(it: Doing) -> str:
    """The lines that are written down next."""
    return it.kept.get(timeout=LONG_S)[2]


@pytest.mark.parametrize(
    ("said", "want"),
    [
        ([b"one\ntwo\n"], "one\ntwo\n"),
        ([b"one\nt", b"wo"], "one\ntwo"),
        ([b""], ""),
        ([b"%d\n" % number for number in range(60)], "".join(f"{number}\n" for number in range(10, 60))),
        (
            [b"%d\n" % number for number in range(60)] + [b"60"],
            "".join(f"{number}\n" for number in range(11, 60)) + "60",
        ),
        ([b"a" * BYTES, b"\nlast\n"], "last\n"),
        ([b"a" * 10 * BYTES], "a" * BYTES),
        ([b"first\n", b"b" * (BYTES - 1) + b"\n"], "b" * (BYTES - 1) + "\n"),
        ([b"\xff\x00\n"], "\ufffd\ufffd\n"),
    ],
    ids=[
        "all",
        "in pieces",
        "nothing",
        "50 lines",
        "one that goes on",
        "8 KiB",
        "one that never ends",
        "just so",
        "bytes",
    ],
)
def test_of_a_log_the_end_is_kept_in_whole_lines(said: list[bytes], want: str) -> None:
    tail = Tail()
    for piece in said:
        tail.add(piece)
    assert tail.text == want


@pytest.mark.parametrize(
    ("said", "want"),
    [
        (b"unable to retrieve container logs for containerd://d81b", None),
        (b'failed to try resolving symlinks in path "/var/log/pods/a/main/0.log": lstat: no such file', None),
        (
            b"unable to retrieve container logs for me, said the program\n",
            "unable to retrieve container logs for me, said the program\n",
        ),
    ],
)
def test_what_a_kubelet_says_for_want_of_lines_is_not_taken_for_them(said: bytes, want: str | None) -> None:
    tail = Tail()
    tail.add(said)
    assert tail.text == want


def test_a_log_is_followed_until_it_ends_and_then_kept(it: Doing) -> None:
    it.server.follows = lambda _: (one for one in (b"began\n", b"SIGTERM\n", b"saved\n"))
    it.do(FOLLOW)
    assert it.kept.get(timeout=LONG_S) == ("uid-p", "main", "began\nSIGTERM\nsaved\n")
    assert it.changed.get(timeout=LONG_S) == "acme"
    assert it.lines.read("acme") == {MAIN: Lines.READ}
    assert it.server.got == [("follow", f"{POD}/log", {"container": "main", "follow": "true", "tailLines": 50})]


def test_nothing_waits_for_a_log_that_is_followed(it: Doing) -> None:
    may_end = threading.Event()

    def hangs(_: str) -> Generator[bytes]:
        yield b"began\n"
        assert may_end.wait(LONG_S)
        yield b"saved\n"

    it.server.follows = hangs
    it.do(*(replace(FOLLOW, container=f"c{number}") for number in range(performing.ASIDE[Follow] + 1)))
    it.do(KEEP, TELL, DELETE)
    assert it.lines.read("acme")["uid-p", "c0"] is Lines.FOLLOWED
    assert kept(it) == "the last lines"
    may_end.set()
    assert kept(it) == "began\nsaved\n"


def test_a_log_is_followed_by_one_at_a_time(it: Doing) -> None:
    may_end = threading.Event()

    def hangs(_: str) -> Generator[bytes]:
        assert may_end.wait(LONG_S)
        yield b"saved\n"

    it.server.follows = hangs
    it.do(FOLLOW)
    it.do(FOLLOW)
    may_end.set()
    kept(it)
    assert len(it.server.got) == 1


def test_one_that_breaks_off_is_followed_again_and_what_it_said_is_not_lost(it: Doing) -> None:
    tries: list[Exception | None] = [
        Away("broken off"),
        Away("503: the kubelet is busy"),
        Refused(404, "NotFound", "gone"),
    ]

    def breaks(_: str) -> Generator[bytes]:
        error = tries.pop(0)
        if len(tries) == 2:
            yield b"SIGTERM\n"
        assert error is not None
        raise error

    it.server.follows = breaks
    it.do(FOLLOW)
    assert (kept(it), tries) == ("SIGTERM\n", [])


def test_who_writes_without_end_is_followed_from_the_end_of_it_again(it: Doing) -> None:
    floods = iter([[b"x" * 1023 + b"\n"] * 2000, [b"saved\n"]])
    it.server.follows = lambda _: (one for one in next(floods))
    it.do(FOLLOW)
    assert kept(it) == "saved\n"
    assert [one[0] for one in it.server.got] == ["follow", "follow"]


def test_a_kubelet_that_hangs_is_followed_for_as_long_as_was_said_and_not_longer(it: Doing) -> None:
    def trickles(_: str) -> Generator[bytes]:
        while True:
            yield b"."

    it.server.follows = trickles
    it.do(replace(FOLLOW, lasts_s=0.05))
    assert set(kept(it)) == {"."}
    assert it.changed.get(timeout=LONG_S) == "acme"


def test_where_too_many_are_followed_what_is_there_is_read_at_once(it: Doing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "AT_ONCE", 2)
    may_end = threading.Event()

    def hangs(_: str) -> Generator[bytes]:
        assert may_end.wait(LONG_S)
        yield b"saved\n"

    it.server.follows = hangs
    it.do(replace(FOLLOW, container="a"))
    it.do(replace(FOLLOW, container="b"))  # of one company half as many
    assert it.kept.get(timeout=LONG_S) == ("uid-p", "b", "the last lines")
    assert it.lines.read("acme") == {("uid-p", "a"): Lines.FOLLOWED, ("uid-p", "b"): Lines.READ}
    other = "/api/v1/namespaces/dure-co-globex/pods/p"
    it.do(replace(FOLLOW, path=other, uid="uid-g"))
    it.do(replace(FOLLOW, path="/api/v1/namespaces/dure-co-initech/pods/p", uid="uid-i"))
    assert it.lines.read("globex") == {("uid-g", "main"): Lines.FOLLOWED}
    assert it.lines.read("initech") == {("uid-i", "main"): Lines.READ}
    may_end.set()


@pytest.mark.parametrize(
    "error", [Away("timed out"), Refused(403, "Forbidden", "no"), Refused(400, "No", "not started")]
)
def test_what_could_not_be_read_as_the_end_began_is_read_when_it_is_over(
    it: Doing, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(lines, "AT_ONCE", 0)
    it.fails(error)
    (done,) = it.do(FOLLOW)
    assert (done.failure, it.performer.undone()) == (None, ())
    assert it.lines.read("acme") == {MAIN: Lines.READ}


@pytest.mark.parametrize("error", [None, Unavailable("the database is away")])
def test_lines_that_were_followed_wait_until_they_can_be_written_down(it: Doing, error: Exception | None) -> None:
    tries = iter([False, False, True])

    def keep() -> bool:
        if not (is_kept := next(tries)) and error is not None:
            raise error
        return is_kept

    it.keep = keep
    it.do(FOLLOW)
    assert kept(it) == "the last lines"


def test_lines_that_can_never_be_written_down_are_said_to_be_lost(it: Doing) -> None:
    it.keep = lambda: False
    with capture_logs() as logs:
        it.do(FOLLOW)
        it.changed.get(timeout=LONG_S)
    assert [one["action"] for one in logs] == ["kube_lines_lost"]


def test_who_does_not_lead_any_more_writes_no_lines(it: Doing) -> None:
    def deposed() -> bool:
        raise Deposed("another leads")

    it.keep = deposed
    with capture_logs() as logs:
        it.do(FOLLOW)
        it.changed.get(timeout=LONG_S)
    assert logs == []


def test_lines_of_what_is_over_are_read_once(it: Doing) -> None:
    it.do(KEEP)
    assert it.kept.get(timeout=LONG_S) == ("uid-p", "main", "the last lines")
    assert it.lines.read("acme") == {MAIN: Lines.KEPT}


@pytest.mark.parametrize("status", [400, 404])
def test_a_container_without_lines_is_not_asked_for_them_for_ever(it: Doing, status: int) -> None:
    """It never began, or its node is gone."""
    it.fails(Refused(status, "No", "container is waiting to start"))
    (done,) = it.do(KEEP)
    assert (done.failure, it.performer.undone()) == (None, ())
    assert it.lines.read("acme") == {MAIN: Lines.KEPT}
    with pytest.raises(Empty):
        it.kept.get_nowait()


def test_lines_of_a_pod_that_is_not_written_down_yet_are_read_again(it: Doing) -> None:
    it.keep = lambda: False
    (done,) = it.do(KEEP)
    assert isinstance(done.failure, Withheld)
    assert it.lines.read("acme") == {}


def test_a_kubelet_that_does_not_answer_is_given_up_and_nothing_stays_undone(
    it: Doing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(performing, "FIRST_S", 0.0)
    it.fails(Away("timed out"))
    it.do(KEEP)
    assert [one.action for one in it.performer.undone()] == [KEEP]
    it.now = NOW + performing.GIVES_UP_S
    with capture_logs() as logs:
        it.do(KEEP)
    assert it.performer.undone() == ()
    assert it.lines.read("acme") == {MAIN: Lines.KEPT}
    assert [one["action"] for one in logs] == ["kube_lines_lost"]


def test_of_pods_that_are_gone_nothing_is_remembered(it: Doing) -> None:
    it.do(KEEP)
    it.lines.only("acme", frozenset({"uid-p"}))
    assert it.lines.read("acme") == {MAIN: Lines.KEPT}
    it.lines.only("acme", frozenset())
    assert it.lines.read("acme") == {}


def test_what_a_kubelet_says_of_a_container_that_it_just_removed_is_no_line() -> None:
    tail = Tail()
    tail.add(b"began\nsaved\n")
    tail.add(b'rpc error: code = NotFound desc = an error occurred when try to find container "5c65": not found')
    assert tail.text == "began\nsaved\n"
