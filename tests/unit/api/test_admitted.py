"""Which secrets were admitted lately."""

import pytest

from api import admitted
from api.admitted import Admitted


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_secret_is_known_for_a_while_after_it_was_admitted_last() -> None:
    clock = Clock()
    found = Admitted(clock)
    assert "dure_a" not in found
    found.add("dure_a")
    clock.now += admitted.KEPT_S - 1
    assert "dure_a" in found
    assert "dure_b" not in found
    found.add("dure_a")
    clock.now += 2
    assert "dure_a" in found
    clock.now += admitted.KEPT_S
    assert "dure_a" not in found


def test_one_that_was_refused_is_not_known_any_more() -> None:
    found = Admitted()
    found.add("dure_a")
    found.discard("dure_a")
    found.discard("dure_b")
    assert "dure_a" not in found


def test_of_too_many_those_that_were_not_seen_for_the_longest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admitted, "MOST", 2)
    found = Admitted()
    for secret in ("a", "b", "a", "c"):
        found.add(secret)
    assert [secret in found for secret in ("a", "b", "c")] == [True, False, True]
