"""The Philly asks served by shares: promises kept, and what the bench says of them."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import machine, results
from bench.philly import cli, fairness, ideal
from bench.philly.sharing import SharingDrive
from bench.replay.drive import FOR_EVER_S
from scheduler.core.model import Policy
from tests.unit.bench.philly.asks import a_job
from tests.unit.bench.philly.test_drive import a_drawn_job, most_at_once

POLICY = Policy(version="test", horizon_s=FOR_EVER_S, gap_s=0, contended="always", half_life_s=3600, entry_s=60)
SHARES = {"a": 1, "b": 2, "c": 7}


@settings(deadline=None)
@given(st.lists(a_drawn_job, min_size=1, max_size=25), st.sampled_from(["always", "booked"]))
def test_every_job_is_served_and_every_promise_kept(drawn: list[tuple[int, int, int, str]], contended: str) -> None:
    jobs = [
        a_job(k, gpus=gpus, submit=at * 60, run_s=run * 60, company=company)
        for k, (at, run, gpus, company) in enumerate(sorted(drawn))
    ]
    policy = Policy(version="test", horizon_s=FOR_EVER_S, gap_s=0, contended=contended, contended_ppm=500_000)
    found = SharingDrive.among(jobs, gpus=24, quota=16, policy=policy, shares=SHARES).run()
    assert [one.job for one in found] == jobs
    assert all(one.job.submit <= one.start <= one.promised <= one.first_promised for one in found)
    assert most_at_once(found, 0) <= 24


def test_who_is_backlogged_has_its_share_of_the_pool_over_a_day() -> None:
    """Two companies want all of 8 GPUs all the time, in boxes of one GPU for ten minutes; their shares are 1 and 3."""
    jobs = [a_job(k * 1000 + n, gpus=1, company="ab"[k]) for k in range(2) for n in range(8 * 6 * 26)]
    found = fairness.replay(jobs, gpus=8, quota=8, policy=POLICY, shares={"a": 1, "b": 3})
    assert fairness.figures(found)["promises_broken"] == 0
    a, b = found.backlogs
    # Once b has had all that it asked for, the rest is a's alone.
    assert a.had == pytest.approx(a.ideal, rel=0.02)
    assert b.had == pytest.approx(b.ideal, rel=0.02)


def test_the_figures_are_printed_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "TREE", tmp_path)
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    path = tmp_path / "jobs.csv"
    path.write_text("job_id,vc,num_gpu,submit_minute,duration_minutes\n1,a,8,0,60\n2,b,8,10,30\n3,a,8,20,60\n")
    assert cli.main([str(path), "--gpus", "8", "--shares", "1:3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["jobs"], found["promises_broken"], found["shares"]) == (3, 0, "1:3")
    assert [row["company"] for row in found["classes"]] == ["a", "b"]
    kept = sorted(one.name.partition("-")[2] for one in (tmp_path / "results").iterdir())
    assert kept == ["philly-shares-8.json", "philly-shares-companies-8.json"]


@pytest.mark.parametrize("text", ["10", "3:1", "0:1", "a:b"])
def test_what_are_no_shares_is_said(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--shares", text])
    assert "--shares" in capsys.readouterr().err


@settings(deadline=None)
@given(st.lists(a_drawn_job, min_size=1, max_size=25), st.sampled_from([0, 60]))
def test_with_spot_every_job_runs_for_its_time_and_every_promise_is_kept(
    drawn: list[tuple[int, int, int, str]], notice_s: int
) -> None:
    jobs = [
        a_job(k, gpus=gpus, submit=at * 60, run_s=run * 60, company=company)
        for k, (at, run, gpus, company) in enumerate(sorted(drawn))
    ]
    policy = replace(POLICY, spot_least_s=60)
    found = fairness.replay(jobs, gpus=24, quota=24, policy=policy, shares=SHARES, notice_s=notice_s)
    ran = Counter[int]()
    for one in found.stretches:
        assert one.asked <= one.start <= one.promised
        ran[one.job.id] += one.end - one.start
    assert ran == {job.id: job.run_s for job in jobs}
    assert all(sum(moment.runs.values()) <= 24 for moment in ideal.moments(found.stretches))


def test_what_is_lent_comes_back_to_who_is_less_over_its_share() -> None:
    """a has all of 8 GPUs while nobody else wants any; b then wants 2 within its share and 2 beyond it, and c nothing."""
    jobs = [a_job(k, gpus=1, run_s=8 * 3600) for k in range(8)]
    jobs += [a_job(8 + k, gpus=2, submit=3600, run_s=3600, company="b") for k in range(2)]
    policy = replace(POLICY, spot_least_s=600)
    found = fairness.replay(jobs, gpus=8, quota=8, policy=policy, shares={"a": 1, "b": 1, "c": 2}, notice_s=60)
    b = [(one.start, one.spot) for one in found.stretches if one.job.company == "b"]
    assert b == [(3660, False), (3660, True)]
    told = fairness.figures(found)
    assert (told["promises_broken"], told["preempted"], told["jobs_preempted"]) == (0, 4, 4)
    assert told["gpu_hours_lost_without_a_checkpoint"] == pytest.approx(4 * 3660 / 3600)
    assert [one.off for one in found.backlogs if one.company == "b"] == [pytest.approx(0, abs=0.05)]


def test_notice_and_least_time_of_spot_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "TREE", tmp_path)
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    path = tmp_path / "jobs.csv"
    path.write_text("job_id,vc,num_gpu,submit_minute,duration_minutes\n1,a,8,0,60\n2,b,8,10,30\n3,a,8,20,60\n")
    assert cli.main([str(path), "--gpus", "8", "--shares", "1:3", "--spot", "2m", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["promises_broken"], found["spot_notice_s"], found["spot_least_s"]) == (0, 120, 600)
    assert found["of_all_gpu_hours"] == 20


def test_spot_is_for_who_has_shares(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--spot"])
    assert "--shares" in capsys.readouterr().err
