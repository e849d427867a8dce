"""Whose turn it is to be looked at."""

import pytest

from scheduler.kube.rota import SPACED_S, Rota

KNOWN = frozenset({"acme", "globex", "initech"})


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rota(clock: Clock) -> Rota:
    return Rota(clock)


def take(rota: Rota, *changed: str, due: tuple[str, ...] = ()) -> list[str]:
    return rota.take(KNOWN, due=frozenset(due), changed=frozenset(changed))


def test_what_changes_is_looked_at_at_once_and_then_a_few_times_a_second(rota: Rota, clock: Clock) -> None:
    assert take(rota, "acme") == ["acme"]
    assert take(rota, "acme") == []
    assert rota.wait_s() == pytest.approx(SPACED_S)
    clock.now += SPACED_S / 2
    assert take(rota, "acme", "globex") == ["globex"]
    assert rota.wait_s() == pytest.approx(SPACED_S / 2)
    clock.now += SPACED_S
    assert take(rota) == ["acme"]
    assert rota.wait_s() is None


def test_what_is_due_and_what_the_rows_say_waits_for_nothing(rota: Rota) -> None:
    assert take(rota, "acme", "globex", "initech") != []
    rota.tell("globex")
    assert take(rota, "initech", due=("acme",)) == ["acme", "globex"]
    assert take(rota) == []


def test_what_is_due_comes_first(rota: Rota) -> None:
    assert take(rota, "acme", "globex", due=("initech",))[0] == "initech"


def test_what_was_looked_at_for_another_reason_is_not_looked_at_once_more(rota: Rota, clock: Clock) -> None:
    take(rota, "acme")
    take(rota, "acme", due=("acme",))
    clock.now += SPACED_S
    assert take(rota) == []


def test_whom_nobody_knows_is_not_looked_at_before_somebody_does(rota: Rota, clock: Clock) -> None:
    assert take(rota, "strange") == []
    rota.tell("strange")
    assert take(rota) == []
    assert rota.wait_s() is None
    take(rota, "acme")
    take(rota, "acme")
    assert rota.take(frozenset(), due=frozenset({"acme"}), changed=frozenset()) == []
    assert rota.wait_s() is None
