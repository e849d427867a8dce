"""What we or Slurm did, line by line."""

from bench.figures import Timed
from bench.lines import DURE, SLURM, Line, called
from bench.plans import Plan


def test_every_item_is_called_once_whatever_the_number_of_clients() -> None:
    seen: list[int] = []
    line = called(DURE, "grant", range(10), call=seen.append, clients=3)
    assert sorted(seen) == list(range(10))
    assert (line.clients, len(line.timed.each_ms)) == (3, 10)


def test_a_row_says_how_long_calls_took_and_how_many_there_were_a_second() -> None:
    row = Line(who=SLURM, what="test-only", clients=1, timed=Timed(each_ms=[10, 10, 100], wall_s=2), load=0).row()
    assert (row["p50 ms"], row["p99 ms"], row["a second"], row["calls"]) == (10, 100, 1.5, 3)
    assert row["in slurmctld ms"] == ""


def test_a_plan_says_what_a_job_takes() -> None:
    assert Plan(who=SLURM, what="cycle", jobs=1_000, seconds=50, busy_s=40, load=0).row()["ms a job"] == 50
