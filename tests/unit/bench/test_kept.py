"""A year out of a day: ids go back in time as they would have been given, and a day asks for what the trace does."""

import pytest

from bench.kept import copies, day
from bench.philly.trace import CompanyJob
from scheduler.ids import first_id, new_id

NOW = 1_800_000_000


def test_an_id_that_is_moved_back_is_one_of_that_time_and_keeps_its_chance() -> None:
    found = new_id("lea", NOW)
    moved = copies.earlier(found, 86_400)
    assert first_id("lea", NOW - 86_400) <= moved < first_id("lea", NOW - 86_399)
    assert moved[-9:] == found[-9:]
    assert copies.earlier(moved, -86_400) == found


def _job(run_s: int, gpus: int) -> CompanyJob:
    return CompanyJob(id=1, submit=0, run_s=run_s, asked_s=run_s, processors=gpus, company="vc")


@pytest.mark.parametrize("gpus", [8, 64])
def test_a_day_has_as_many_asks_as_its_gpus_in_the_trace_in_their_order(gpus: int) -> None:
    found = day.arrivals([_job(3600, 16), _job(1, 1)], ["a", "b"], gpus=gpus)
    assert len(found) == round(day.ASKS_PER_GPU * gpus)
    assert [one.after_s for one in found] == sorted(one.after_s for one in found)
    assert {(one.ask.shape.nodes, one.ask.duration_s) for one in found} <= {(2, 3600), (None, 60)}
