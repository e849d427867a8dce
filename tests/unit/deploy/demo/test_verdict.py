"""What the demo holds against Dure: what may never happen always, what was late only where there was speed enough."""

import pytest

from deploy.demo import verdict
from deploy.demo.check import Findings
from deploy.demo.pace import Pace
from deploy.demo.seen import Judged

FOUND = Findings(kept=3)
UNSEEN = "lea_1 ran for 20 s and no pod of it was seen running, but waiting at the gate"
LATE = Judged(unseen=[UNSEEN], starts_s=[1])


def pace(*, load: float = 1.0, answered_in_s: float = 0.2) -> Pace:
    found = Pace(cores=2)
    for _ in range(3):
        found.saw(load=load, answered_in_s=answered_in_s)
    return found


@pytest.mark.parametrize(
    ("pace", "want"),
    [
        pytest.param(Pace(cores=2), False, id="nobody looked"),
        pytest.param(pace(), False, id="as it should be"),
        pytest.param(pace(load=4.0), False, id="a full machine, of which the demo is a part"),
        pytest.param(pace(load=14.0), True, id="a machine with far more to do than cores"),
        pytest.param(pace(answered_in_s=2.5), True, id="a cluster that takes seconds to answer"),
    ],
)
def test_too_slow_is_what_has_far_more_to_do_than_cores_or_answers_in_seconds(pace: Pace, want: bool) -> None:
    assert pace.slow is want


def test_one_slow_moment_excuses_nothing() -> None:
    found = pace()
    found.saw(load=20, answered_in_s=9)
    assert not found.slow


def test_what_was_late_on_a_fast_machine_is_wrong_and_it_is_said_that_it_was_fast() -> None:
    found = verdict.with_pods(FOUND, LATE, pace())
    assert not verdict.passed(found)
    assert found.wrong[0] == UNSEEN
    assert "not so for want of speed: at the median a load of 1.0 on 2 cores, and 0.2 s until kubectl" in found.wrong[1]
    assert verdict.slowness(LATE, pace()) is None


def test_what_was_late_on_a_slow_machine_is_one_sentence_with_its_figures_and_no_failure() -> None:
    slow = pace(load=14, answered_in_s=2)
    said = verdict.slowness(LATE, slow)
    assert said is not None
    assert said.startswith(
        "Late for want of speed, and not held against Dure: of 1 lease of 10 s or more no pod was seen"
    )
    assert "0 pods told to end in time were still shown 4 s after it" in said
    assert "a load of 14.0 on 2 cores, and 2.0 s until kubectl had listed the pods" in said
    assert verdict.with_pods(FOUND, LATE, slow) == FOUND


def test_a_pod_outside_of_its_lease_is_wrong_however_slow_everything_was() -> None:
    outside = Judged(wrong=["pod train-1 ran after lea_1 ended"], starts_s=[1])
    found = verdict.with_pods(FOUND, outside, pace(load=14))
    assert not verdict.passed(found)
    assert verdict.lines(found)[-2:] == ["WRONG:", "  pod train-1 ran after lea_1 ended"]


def test_where_no_pod_ran_a_slow_machine_has_shown_nothing_and_a_fast_one_is_wrong() -> None:
    slow, fast = (verdict.with_pods(FOUND, Judged(), each) for each in (pace(load=14), pace()))
    assert (verdict.passed(slow), verdict.passed(fast)) == (False, False)
    assert "NOT SHOWN, as everything was too slow for it:" in verdict.lines(slow)
    assert (slow.wrong, fast.wrong[0]) == ([], "no pod ever ran in the cluster")


def test_nothing_wrong_ends_with_what_was_kept() -> None:
    assert verdict.lines(verdict.with_pods(FOUND, Judged(starts_s=[0]), pace()))[-1] == verdict.KEPT
    assert verdict.slowness(Judged(starts_s=[0]), pace(load=14)) is None
