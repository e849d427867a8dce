"""Which companies to look at again."""

import threading

from scheduler.kube.attention import Attention

ALL = frozenset({"acme", "other"})


def test_at_first_everybody_is_looked_at_and_the_rows_are_read() -> None:
    it = Attention()
    assert it.take(ALL) == ALL
    assert it.take_rows()


def test_a_company_is_looked_at_once_after_each_change() -> None:
    it = Attention()
    it.take(ALL)
    it.changed("acme")
    it.changed("acme")
    assert it.take(ALL) == {"acme"}
    assert it.take(ALL) == frozenset()


def test_what_concerns_all_has_everybody_looked_at() -> None:
    it = Attention()
    it.take(ALL)
    it.changed("acme")
    it.changed(None)
    assert it.take(ALL) == ALL


def test_rows_are_read_once_after_each_change() -> None:
    it = Attention()
    it.take_rows()
    assert not it.take_rows()
    it.rows()
    assert it.take_rows()
    assert not it.take_rows()


def test_whoever_waits_is_woken_by_any_change() -> None:
    it = Attention()
    for change in (lambda: it.changed("acme"), it.rows, it.wake):
        waiter = threading.Thread(target=it.wait, args=(60,))
        waiter.start()
        change()
        waiter.join(60)
        assert not waiter.is_alive()


def test_a_wait_that_is_over_before_it_began_does_not_wait() -> None:
    Attention().wait(-5)
