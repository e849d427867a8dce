"""Work that may hang is waited for no longer than it is worth, and does not pile up."""

import threading
from threading import Event

import pytest

from dure.errors import Unavailable
from scheduler.bounded import Bounded
from tests.cluster.daemons import until


def ended() -> bool:
    return not any(thread.name == "within" for thread in threading.enumerate())


def test_what_hangs_holds_so_many_threads_at_most_and_more_is_refused_without_waiting() -> None:
    bounded, end = Bounded(), Event()
    for _ in range(2):
        with pytest.raises(Unavailable, match="did not answer within"):
            bounded.within(0.01, end.wait)
    with pytest.raises(Unavailable, match="others wait"):
        bounded.within(100_000, lambda: 7)
    end.set()
    until(ended, (), within_s=60, what="what hung")
    assert bounded.within(60, lambda: 7) == 7


def test_what_is_only_slow_is_waited_for() -> None:
    bounded, begun, end = Bounded(at_once=1), Event(), Event()
    slow = threading.Thread(target=lambda: bounded.within(60, lambda: (begun.set(), end.wait())))
    slow.start()
    begun.wait()
    with pytest.raises(Unavailable, match="others wait"):
        bounded.within(0.01, lambda: 7)
    end.set()
    assert bounded.within(60, lambda: 7) == 7
    slow.join()


def test_what_it_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        Bounded().within(60, lambda: 1 // 0)
