from dataclasses import replace

from agents.metrics.series import MOST_XIDS
from agents.metrics.xids import XidCounts
from agents.snapshot import Sample, Xid
from tests.unit.agents.builders import Hand, ScriptedDriver, a_gpu, a_sample
from tests.unit.agents.scraping import a_collector, scrape, seen


def _told(*xids: int, gpu: str = "GPU-a") -> Sample:
    sample = a_sample()
    return replace(sample, snapshot=replace(sample.snapshot, xids=tuple(Xid(gpu=gpu, xid=xid, at=1.0) for xid in xids)))


def test_xids_are_counted_by_their_number_while_the_gpu_is_there(clock: Hand) -> None:
    counts = XidCounts()
    for sample in (_told(13, 79), _told(13), _told(31, gpu="GPU-gone")):
        counts(sample, None)
    sampler = seen(clock, ScriptedDriver([a_gpu("MIG-1", parent="GPU-a"), a_gpu("MIG-2", parent="GPU-a")]))
    found = scrape(a_collector(sampler, clock, xids=counts)).of("dure_gpu_xids_total")

    assert [(labels["gpu"], labels["xid"], value) for labels, value in found] == [
        ("GPU-a", "13", 2),
        ("GPU-a", "79", 1),
    ]


def test_an_xid_that_came_many_times_counts_as_often() -> None:
    counts = XidCounts()
    sample = _told(31)
    counts(replace(sample, snapshot=replace(sample.snapshot, xids=(Xid(gpu="GPU-a", xid=31, at=1.0, times=7),))), None)

    assert counts.of("GPU-a") == {"31": 7}


def test_a_driver_that_makes_xids_up_makes_no_series_without_end() -> None:
    counts = XidCounts()
    for number in range(1, 1000):
        counts(_told(number), None)

    assert len(counts.of("GPU-a")) == MOST_XIDS + 1
    assert sum(counts.of("GPU-a").values()) == 999
