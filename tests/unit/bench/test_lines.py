"""Lines that set us beside Slurm, and their ratios."""

import pytest

from bench.figures import Timed
from bench.gangs import gangs
from bench.lines import DURE, SLURM, Line, called
from bench.plans import Plan
from bench.sizes import QUICK, WHOLE


def test_every_item_is_called_once_whatever_the_number_of_clients() -> None:
    seen: list[int] = []
    line = called(DURE, "grant", range(10), call=seen.append, clients=3)
    assert sorted(seen) == list(range(10))
    assert (line.clients, len(line.timed.each_ms)) == (3, 10)


def test_a_row_has_its_ratios_to_the_line_beside_it() -> None:
    ours = Line(who=DURE, what="quote", clients=1, timed=Timed(each_ms=[1, 1, 4], wall_s=1), load=0)
    theirs = Line(who=SLURM, what="test-only", clients=1, timed=Timed(each_ms=[10, 10, 100], wall_s=2), load=0)
    row = theirs.row(ours)
    assert (row["x p50"], row["x p99"], row["x a second"]) == (10, 25, 0.5)
    assert row["in slurmctld ms"] == ""


def test_plans_are_set_beside_each_other_by_what_a_job_takes() -> None:
    ours = Plan(who=DURE, what="afresh", jobs=2_000, seconds=0.2, busy_s=0.1, load=0)
    theirs = Plan(who=SLURM, what="cycle", jobs=1_000, seconds=50, busy_s=40, load=0)
    row = theirs.row(ours)
    assert (row["x"], row["x processor"], row["ms a job"]) == (500, 800, 50)


@pytest.mark.parametrize("size", [WHOLE, QUICK], ids=["whole", "quick"])
def test_the_asks_before_the_queue_can_fill_the_nodes(size) -> None:
    assert sum(gang.gpus for gang in gangs(size.asks)[: -size.pending]) > 0.9 * size.nodes * 8
