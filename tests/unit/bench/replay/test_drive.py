"""The real core, driven through logs: no promise is broken, nothing is used twice, and it does what the rule says."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.replay.drive import FOR_EVER_S, Drive
from bench.replay.metrics import Outcome
from bench.replay.swf import Job
from scheduler.core.model import Policy
from scheduler.core.rules import RULES
from tests.unit.bench.replay.plain import Plain, Rules

PROCESSORS = 10


def a_policy(
    rule: str = "late-slots", slack_ppm: int = 0, reserve_ppm: int = 0, seniority_s: int | None = None
) -> Policy:
    return Policy(
        version="test",
        horizon_s=FOR_EVER_S,
        gap_s=0,
        rule=rule,
        slack_ppm=slack_ppm,
        reserve_ppm=reserve_ppm,
        reserve_over_s=20,
        seniority_s=seniority_s,
    )


def driven(jobs: Sequence[Job], policy: Policy) -> list[Outcome]:
    return Drive.of(jobs, [job.asked_s for job in jobs], PROCESSORS, policy).run()


@st.composite
def some_jobs(draw: st.DrawFn) -> list[Job]:
    submits = sorted(draw(st.lists(st.integers(0, 80), min_size=1, max_size=25)))
    return [
        Job(
            id=k,
            submit=submit,
            run_s=(run_s := draw(st.integers(1, 30))),
            asked_s=run_s + draw(st.sampled_from([0, 0, 5, 40])),
            processors=draw(st.integers(1, PROCESSORS)),
        )
        for k, submit in enumerate(submits)
    ]


policies = st.builds(
    a_policy,
    rule=st.sampled_from(sorted(RULES)),
    slack_ppm=st.sampled_from([0, 50_000, 500_000, 2_000_000]),
    reserve_ppm=st.sampled_from([0, 0, 200_000]),
    seniority_s=st.sampled_from([None, 0, 15]),
)


@settings(max_examples=300, deadline=None)
@given(some_jobs(), policies)
def test_no_promise_is_broken_and_no_processor_used_twice(jobs: list[Job], policy: Policy) -> None:
    outcomes = driven(jobs, policy)
    assert all(found.job.submit <= found.start <= found.promised <= found.first_promised for found in outcomes)
    for now in range(max(found.start for found in outcomes) + 31):
        used = sum(found.job.processors for found in outcomes if found.start <= now < found.end)
        assert used <= PROCESSORS


@settings(max_examples=300, deadline=None)
@given(some_jobs(), policies)
def test_the_core_does_what_the_plain_telling_of_its_rules_says(jobs: list[Job], policy: Policy) -> None:
    """Job by job, the start and the promise, for every rule and option."""
    rules = Rules(
        rule=policy.rule,
        slack_ppm=policy.slack_ppm,
        reserve_ppm=policy.reserve_ppm,
        reserve_over_s=policy.reserve_over_s,
        seniority_s=policy.seniority_s,
    )
    wishes = Plain(jobs, PROCESSORS, rules).run()
    outcomes = driven(jobs, policy)
    assert [(found.start, found.promised) for found in outcomes] == [(wish.slot, wish.promised) for wish in wishes]
