"""The real core, driven through logs: no promise is broken, nothing is used twice, and it does what the rule says."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.replay.__main__ import main
from bench.replay.drive import FOR_EVER_S, Drive
from bench.replay.metrics import Outcome
from bench.replay.swf import Job
from scheduler.core.model import Policy
from scheduler.core.rules import RULES
from tests.unit.bench.replay.late_slots import LateSlots
from tests.unit.bench.replay.test_swf import HEADER, a_line

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
    return Drive.of(jobs, [max(1, job.asked_s) for job in jobs], PROCESSORS, policy).run()


@st.composite
def some_jobs(draw: st.DrawFn, *, apart: bool = False) -> list[Job]:
    """By submission; with `apart`, no two at one instant, and none that takes no time."""
    submits = sorted(draw(st.lists(st.integers(0, 80), min_size=1, max_size=25, unique=apart)))
    return [
        Job(
            id=k,
            submit=submit,
            run_s=(run_s := draw(st.integers(1 if apart else 0, 30))),
            asked_s=max(1, run_s + draw(st.sampled_from([0, 0, 5, 40]))),
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
@given(some_jobs(apart=True), st.sampled_from([0, 50_000, 500_000, 1_500_000]))
def test_late_slots_is_what_its_plain_telling_says(jobs: list[Job], slack_ppm: int) -> None:
    """Job by job, as a list of seconds and a loop over them say it."""
    outcomes = driven(jobs, a_policy(slack_ppm=slack_ppm))
    assert [found.start for found in outcomes] == LateSlots(jobs, PROCESSORS, slack_ppm).run()


def test_a_replay_prints_its_figures_and_writes_its_schedule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.swf"
    log.write_text(HEADER + a_line() + a_line(id=2, submit=20, asked=200) + a_line(id=3, submit=15, asked=100))
    out = tmp_path / "out.csv"
    assert main([str(log), "--boxes", "asked", "--schedule", str(out), "--classes", "--json"]) == 0
    shown = capsys.readouterr()
    figures = json.loads(shown.out)
    assert (figures["jobs"], figures["jobs_that_never_fit"], figures["promises_broken"]) == (2, 1, 0)
    assert "job 2 asks for 200 of 100 processors" in shown.err
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [(row["id"], row["submit"], row["start"], row["end"], row["gpus"]) for row in rows] == [
        ("1", "10", "10", "70", "4"),
        ("3", "15", "70", "130", "100"),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--boxes", "some"], "--boxes"),
        (["--boxes", "exact", "--slack", "-1"], "part of a box"),
        (["--boxes", "exact", "--reserve", "2"], "give a part of the pool and a length"),
        (["--boxes", "exact", "--rule", "best"], "--rule"),
    ],
)
def test_an_option_that_is_wrong_is_named(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["log.swf", *words])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_log_that_is_wrong_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.swf"), "--boxes", "exact"]) == 2
    assert capsys.readouterr().err.startswith("bench replay: ")
