"""What reports say: whole or what changed, within their bounds, always as the wire has it."""

import gzip
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.events import Event
from agents.reporting import wire
from agents.reporting.telling import FIRST_REPLAY, OLD_S, WHOLE_S, Identity, Telling, Told
from agents.reporting.wire import Answer
from agents.snapshot import GpuSnapshot, Holder, Sample, Violation
from agents.spool.untold import Untold
from agents.totals import Use
from dure.wire import Report
from tests.unit.agents.allocator import folded
from tests.unit.agents.builders import a_gpu, a_sample, allocations, an_allocation

DAY = 1_800_000_000


class Speaking:
    """An agent that tells, and an allocator that takes what it is told to take."""

    def __init__(self) -> None:
        self.untold = Untold(0)
        self.telling = Telling(self.untold, identity=Identity(boot="boot_1", agent_version="1"), interval_s=10)
        self.at = 0.0
        self.seq = 0
        self.newest: Told | None = None

    def tells(self, sample: Sample, *usage: Use) -> Report:
        self.seq += 1
        self.newest = self.telling.compose(sample, usage, seq=self.seq, sent_at=1.8e9, at=self.at)
        return _read(self.newest)

    def is_answered(self, **said: Any) -> bool:
        assert self.newest is not None
        answer: dict[str, Any] = {"server_time": 1.8e9, "seq": self.seq, "whole": False, **said}
        return self.telling.take(self.newest, Answer(**answer))


def _read(told: Told) -> Report:
    parcel = told.parcel
    assert len(parcel.content) <= 256 << 10
    plain = gzip.decompress(parcel.content) if parcel.is_packed else parcel.content
    assert len(plain) == parcel.plain_bytes <= 1 << 20
    return Report.model_validate_json(plain)


@pytest.fixture
def speaking() -> Speaking:
    return Speaking()


def _use(allocation: str = "all_1", sampled_ms: int = 1000) -> Use:
    return Use(allocation=allocation, day=DAY, sampled_ms=sampled_ms)


HOLDER = Holder(gpu="GPU-a", namespace="acme", pod="train-0", container="main", resource="nvidia.com/gpu")
VIOLATION = Violation(gpu="GPU-a", kind="process", since=1.8e9, pid=4711, name="miner", cgroup="/kubepods/x")


# --- whole, or what changed ----------------------------------------------------------------------------------------


def test_the_first_report_is_whole_and_the_next_says_what_changed(speaking: Speaking) -> None:
    first = speaking.tells(a_sample(a_gpu("GPU-a"), a_gpu("GPU-b", index=1)))
    speaking.is_answered()
    second = speaking.tells(a_sample(a_gpu("GPU-a"), a_gpu("GPU-b", index=1, utilization_percent=None, processes=2)))

    assert (first.version, first.base, [gpu.uuid for gpu in first.gpus]) == (2, None, ["GPU-a", "GPU-b"])
    assert (second.base, second.gpus) == (1, [])
    assert [change.model_dump(exclude_unset=True) for change in second.changed] == [
        {"uuid": "GPU-b", "utilization_percent": None, "processes": 2}
    ]
    assert len(second.model_dump_json(exclude_unset=True)) < 300


def test_where_nothing_changed_almost_nothing_is_said(speaking: Speaking) -> None:
    speaking.tells(a_sample(), _use())
    speaking.is_answered()
    report = speaking.tells(a_sample(), _use())

    assert (report.changed, report.usage, report.holders, report.violations) == ([], [], None, None)


@pytest.mark.parametrize(
    "answered",
    [
        pytest.param(lambda speaking: speaking.telling.miss(), id="it did not arrive"),
        pytest.param(lambda speaking: speaking.is_answered(whole=True), id="the allocator wants it"),
        pytest.param(lambda speaking: setattr(speaking, "at", WHOLE_S), id="five minutes are over"),
    ],
)
def test_a_report_is_whole_again_when(speaking: Speaking, answered: Any) -> None:
    speaking.tells(a_sample())
    speaking.is_answered()
    speaking.tells(a_sample())
    speaking.is_answered()
    speaking.at = 20
    builds = speaking.tells(a_sample())
    speaking.is_answered()
    speaking.tells(a_sample())
    answered(speaking)
    report = speaking.tells(a_sample(), _use())

    assert builds.base == 2
    assert report.base is None
    assert len(report.gpus) == 1
    assert len(report.usage) == 1


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(a_sample(a_gpu("GPU-b")), id="another GPU"),
        pytest.param(a_sample(a_gpu(), a_gpu("GPU-b")), id="a GPU more"),
        pytest.param(a_sample(a_gpu(serial="1")), id="another serial"),
        pytest.param(a_sample(a_gpu(index=3)), id="another index"),
        pytest.param(a_sample(a_gpu(mig_profile="1g.10gb")), id="another MIG layout"),
        pytest.param(
            replace(a_sample(), snapshot=replace(a_sample().snapshot, driver_version="571")), id="another driver"
        ),
        pytest.param(replace(a_sample(), holders=None), id="the kubelet cannot be asked any more"),
    ],
)
def test_what_a_report_cannot_say_as_a_change_is_told_as_a_whole(speaking: Speaking, changed: Sample) -> None:
    speaking.tells(replace(a_sample(), holders=(HOLDER,)))
    speaking.is_answered()

    assert speaking.tells(replace(changed, holders=changed.holders)).base is None


def test_holders_and_violations_are_told_when_they_change_and_empty_is_not_unknown(speaking: Speaking) -> None:
    samples = [
        replace(a_sample(), holders=(), violations=()),
        replace(a_sample(), holders=(HOLDER,), violations=(VIOLATION,)),
        replace(a_sample(), holders=(HOLDER,), violations=(VIOLATION,)),
        replace(a_sample(), holders=(), violations=()),
    ]
    found = []
    for sample in samples:
        report = speaking.tells(sample)
        found.append((report.base, _count(report.holders), _count(report.violations)))
        speaking.is_answered()

    assert found == [(None, 0, 0), (1, 1, 1), (2, None, None), (3, 0, 0)]


def _count(items: list | None) -> int | None:
    return None if items is None else len(items)


def test_who_sees_neither_processes_nor_pods_cannot_tell_of_violations(speaking: Speaking) -> None:
    blind = replace(a_sample(), snapshot=replace(a_sample().snapshot, sees_processes=False))

    assert speaking.tells(blind).violations is None
    assert speaking.tells(replace(blind, holders=())).violations == []


def test_an_end_that_may_not_be_called_empty_is_unproved_and_says_why(speaking: Speaking) -> None:
    known = allocations(an_allocation("all_1", ended=True), an_allocation("all_2", gpu="GPU-b", ended=True))
    sample = replace(a_sample(knowing=known), unproved={"all_1": "it is being scrubbed"})
    first = speaking.tells(sample)
    speaking.is_answered()
    second = speaking.tells(sample)

    for report in (first, second):
        assert report.knew_ended == ["all_2"]
        assert [(one.allocation, one.why) for one in report.unproved] == [("all_1", "it is being scrubbed")]


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "utilization_percent": st.none() | st.integers(0, 100),
        "energy_millijoules": st.none() | st.integers(0, 1 << 62),
        "health": st.sampled_from(["ok", "suspect", "unhealthy"]),
        "health_reason": st.none() | st.text(max_size=300),
        "processes": st.none() | st.integers(0, 3),
        "throttle_reasons": st.none() | st.just(("hw_thermal_slowdown", "sw_power_cap")),
        "serial": st.none() | st.just("123"),
        "last_xid": st.none() | st.integers(1, 200),
    },
)


@given(
    steps=st.lists(
        st.tuples(
            st.lists(CHANGES, min_size=1, max_size=3),
            st.sampled_from([None, (), (HOLDER,)]),
            st.sampled_from([(), (VIOLATION,)]),
            st.sampled_from(["ok", "lost", "whole"]),
        ),
        max_size=12,
    )
)
@settings(max_examples=100, deadline=None)
def test_who_takes_every_report_knows_what_a_whole_one_would_have_said(steps: list[tuple]) -> None:
    speaking, known = Speaking(), None
    for gpus, holders, violations, what in steps:
        sample = replace(
            a_sample(*(a_gpu(f"GPU-{index}", index=index, **changed) for index, changed in enumerate(gpus))),
            holders=holders,
            violations=violations,
        )
        report = speaking.tells(sample)
        if what == "lost":
            speaking.telling.miss()
            continue
        known = report if report.base is None or known is None else folded(known, report)
        whole = _read(_whole(sample, seq=speaking.seq))
        assert known.model_dump(exclude={"usage"}) == whole.model_dump(exclude={"usage"})
        speaking.is_answered(whole=what == "whole")


def _whole(sample: Sample, *, seq: int) -> Told:
    fresh = Telling(Untold(0), identity=Identity(boot="boot_1", agent_version="1"), interval_s=10)
    return fresh.compose(sample, [], seq=seq, sent_at=1.8e9, at=0)


# --- totals, events, and what earlier processes left ---------------------------------------------------------------


def test_totals_are_told_until_they_are_taken_and_when_they_grew(speaking: Speaking) -> None:
    told = []
    for usage, is_taken in (([_use()], False), ([_use()], True), ([_use()], True), ([_use(sampled_ms=2000)], True)):
        told.append([use.sampled_ms for use in speaking.tells(a_sample(), *usage).usage])
        if is_taken:
            speaking.is_answered()
        else:
            speaking.telling.miss()

    assert told == [[1000], [1000], [], [2000]]
    assert speaking.telling.acknowledged == {("all_1", DAY): _use(sampled_ms=2000)}


def test_totals_that_came_with_a_report_that_could_not_be_used_are_not_taken(speaking: Speaking) -> None:
    speaking.tells(a_sample())
    speaking.is_answered()
    speaking.tells(a_sample(), _use())

    assert speaking.is_answered(whole=True) is False
    assert speaking.telling.acknowledged == {}


def test_totals_that_are_no_more_are_not_remembered(speaking: Speaking) -> None:
    for usage in ([_use("all_1"), _use("all_2")], [_use("all_2")], [_use("all_2")]):
        speaking.tells(a_sample(), *usage)
        speaking.is_answered()

    assert list(speaking.telling.acknowledged) == [("all_2", DAY)]


def test_as_many_kept_things_are_told_as_the_newest_answer_allows(speaking: Speaking) -> None:
    for number in range(100):
        speaking.untold.add(Event(kind="health", at=1.8e9, gpu="GPU-a", detail={"number": number}))
    speaking.untold.found({"boot_0": (_use("all_1"), _use("all_2"))})
    first = speaking.tells(a_sample())
    speaking.is_answered(replay=30, earlier_taken=("boot_0",), events_taken=first.events[-1].id)
    second = speaking.tells(a_sample())
    speaking.is_answered(replay=0)
    third = speaking.tells(a_sample())
    speaking.is_answered(replay=50)
    speaking.telling.miss()
    fourth = speaking.tells(a_sample())

    assert (len(first.earlier[0].usage), len(first.events)) == (2, FIRST_REPLAY - 2)
    assert (second.earlier, [event.detail["number"] for event in second.events]) == ([], list(range(6, 36)))
    assert third.events == []
    assert len(fourth.events) == FIRST_REPLAY, "after an outage, everybody comes at once"


# --- an allocator of the release before ----------------------------------------------------------------------------


def test_an_older_allocator_is_told_whole_reports_of_the_first_version_and_asked_again_after_an_hour(
    speaking: Speaking, caplog: pytest.LogCaptureFixture
) -> None:
    speaking.untold.add(Event(kind="health", at=1.8e9, gpu="GPU-a"))
    speaking.telling.speak_the_first_version(0)
    sample = replace(a_sample(a_gpu(serial="1", throttle_reasons=("hw_slowdown",))), holders=(HOLDER,))
    first = speaking.tells(sample, _use())
    speaking.is_answered(whole=None)
    second = speaking.tells(sample, _use())
    speaking.is_answered(whole=None)
    speaking.at = OLD_S
    third = speaking.tells(sample)
    speaking.telling.speak_the_first_version(OLD_S)
    fourth = speaking.tells(sample)

    old = {"version", "boot", "host_boot", "seq", "sent_at", "interval_s", "agent_version", "driver_version", "gpus"}
    old |= {"knew_ended", "usage"}
    assert first.model_fields_set <= old
    assert first.gpus[0].model_fields_set <= {
        *("uuid", "index", "product", "health", "health_reason", "memory_total_bytes", "memory_used_bytes"),
        *("utilization_percent", "power_milliwatts", "energy_millijoules", "temperature_celsius", "processes"),
    }
    assert [report.version for report in (first, second, third, fourth)] == [1, 1, 2, 1]
    assert len(second.usage) == 1
    assert [record.__dict__["action"] for record in caplog.records] == ["report.old"]


def test_an_allocator_that_was_upgraded_meanwhile_is_told_all_at_once(speaking: Speaking) -> None:
    speaking.telling.speak_the_first_version(0)
    speaking.tells(a_sample())
    speaking.is_answered(whole=False)

    assert (speaking.tells(a_sample()).version, speaking.newest.builds_on if speaking.newest else None) == (2, False)


def test_an_answer_that_knows_of_no_whole_report_is_an_older_allocators(speaking: Speaking) -> None:
    speaking.tells(a_sample())
    speaking.is_answered(whole=None)

    assert speaking.tells(a_sample()).version == 1


# --- bounds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gpus", [1, 64, 300])
@pytest.mark.parametrize("many", [0, 1, 300, 5000])
def test_no_node_makes_a_report_that_is_too_large_or_that_the_wire_does_not_take(gpus: int, many: int) -> None:
    chance = random.Random(gpus + many)
    letters = [chr(letter) for letter in (*range(1, 0x600), *[0x1F600] * 100, *[0xD800] * 10)]

    def word() -> str:
        return chance.choice(["", "".join(chance.choices(letters, k=1200)), "\x00" * 500])

    def number() -> int:
        return chance.randrange(-5, 1 << 63)

    speaking = Speaking()
    for _ in range(min(many, 300)):
        detail = {f"d{index}": word() for index in range(4)}
        speaking.untold.add(Event(kind="health", at=float(number()), gpu="GPU-a", detail=detail))
    speaking.telling._replay = 256
    ended = [an_allocation(f"all_{'x' * 50}{index}", gpu=f"GPU-{index}", ended=True) for index in range(many)]
    sample = replace(
        a_sample(*(_odd(index, word, number) for index in range(gpus)), knowing=allocations(*ended)),
        holders=tuple(
            Holder(gpu="GPU-a", namespace=word(), pod=word(), container=word(), resource=word())
            for _ in range(min(many, 600))
        ),
        violations=tuple(
            Violation(gpu="GPU-a", kind="pod", since=float(number()), pid=5, name=word(), cgroup=word() * 5)
            for _ in range(min(many, 300))
        ),
        unproved={f"all_{index}": word() for index in range(min(many, 500))},
    )
    usage = [Use(allocation=f"all_{index}", day=DAY, sampled_ms=abs(number()) >> 1) for index in range(many)]
    report = speaking.tells(sample, *usage)

    assert len(report.gpus) == min(gpus, 256)
    assert bool(many) == bool(report.usage) == bool(report.knew_ended) == bool(report.events)


def _odd(index: int, word: Any, number: Any) -> GpuSnapshot:
    return a_gpu(
        f"GPU-{index:080}",
        index=index,
        product="H" * 50 + chr(0x4E00 + index) * 100,
        serial=word(),
        pci_bus_id=word(),
        nvlink_domain=word(),
        mig_profile=word(),
        health_reason=word(),
        health="unhealthy",
        parent=f"GPU-{index + 1:080}",
        energy_millijoules=number(),
        memory_used_bytes=number(),
        last_xid=number(),
        processes=number(),
    )


def test_a_report_of_eight_gpus_is_small(speaking: Speaking) -> None:
    def sample(energy: int) -> Sample:
        gpus = [
            a_gpu(
                f"GPU-{index}d1f7a3e-93c1-5b7e-8d4c-0123456789ab",
                index=index,
                serial=f"16542230{index}",
                pci_bus_id=f"00000000:{index}8:00.0",
                numa_node=index // 4,
                energy_millijoules=energy * (index + 7),
                utilization_percent=90 + index,
            )
            for index in range(8)
        ]
        return a_sample(*gpus)

    speaking.tells(sample(1000))
    assert speaking.newest is not None
    whole = speaking.newest.parcel
    speaking.is_answered()
    speaking.tells(sample(99_000))
    delta = speaking.newest.parcel

    assert whole.plain_bytes < 4500
    assert len(whole.content) < 1000
    assert len(delta.content) < 800


def test_nonsense_is_said_once_until_it_changes(speaking: Speaking, caplog: pytest.LogCaptureFixture) -> None:
    for gpu in (a_gpu(utilization_percent=140), a_gpu(utilization_percent=150), a_gpu(), a_gpu(utilization_percent=-1)):
        speaking.tells(a_sample(gpu))

    assert [record.__dict__["action"] for record in caplog.records] == ["reading.nonsense"] * 2


def test_more_gpus_than_there_is_room_for_are_said(speaking: Speaking, caplog: pytest.LogCaptureFixture) -> None:
    sample = a_sample(*(a_gpu(f"GPU-{index}", index=index) for index in range(300)))
    reports = [speaking.tells(sample) for _ in range(2)]

    assert [len(report.gpus) for report in reports] == [256, 256]
    assert [record.getMessage() for record in caplog.records] == ["44 GPUs are not told of: a node has 256 at most"]


def test_the_encoder_never_writes_what_json_has_not() -> None:
    with pytest.raises(ValueError, match="JSON"):
        wire.encoded({"x": float("nan")})
