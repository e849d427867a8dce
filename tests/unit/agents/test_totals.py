import itertools
from dataclasses import replace

import pytest

from agents.days import Days
from agents.snapshot import GpuSnapshot
from agents.totals import Totals, Use
from tests.unit.agents.builders import a_gpu, a_sample, allocations, an_allocation

DAY = 1_800_000_000 - 1_800_000_000 % 86_400
"""When the day of UTC began in which the tests' instants are."""

LEASED = allocations(an_allocation(starts=1000, stops=1600))


def _totals(listed: frozenset[str] = frozenset({"all_1"})) -> Totals:
    totals = Totals(longest_gap_s=3)
    totals.settle([], listed=listed)
    return totals


def _usage(
    sampled_ms: int,
    busy_ms: int,
    energy_millijoules: int | None = None,
    *,
    memory_ms: int | None = None,
    memory_gib_ms: int | None = None,
    day: int = DAY,
) -> Use:
    """Memory, unless said, was seen for as long as the load was, and 10 GiB of it in use."""
    memory_ms = sampled_ms if memory_ms is None else memory_ms
    return Use(
        allocation="all_1",
        day=day,
        sampled_ms=sampled_ms,
        busy_ms=busy_ms,
        energy_millijoules=energy_millijoules,
        memory_ms=memory_ms,
        memory_mebibyte_s=(10 * memory_ms if memory_gib_ms is None else memory_gib_ms) * 1024 // 1000,
    )


@pytest.mark.parametrize(
    ("before", "now", "want"),
    [
        pytest.param((1100, {}), (1101, {}), [_usage(1000, 500, 0)], id="a second at half load"),
        pytest.param((999.5, {}), (1000.5, {}), [_usage(500, 250, 0)], id="only what lies after the start"),
        pytest.param((1599.75, {}), (1600.75, {}), [_usage(250, 125, 0)], id="only what lies before the stop"),
        pytest.param((1600.0, {}), (1601, {}), [], id="nothing after the stop, told or not"),
        pytest.param((1100, {}), (1104, {}), [], id="a gap that nobody saw is neither busy nor idle"),
        pytest.param(
            (1100, {}),
            (1101, {"utilization_percent": None}),
            [_usage(0, 0, 0, memory_ms=1000)],
            id="unknown load is no sampled time",
        ),
        pytest.param(
            (1100, {}),
            (1101, {"memory_used_bytes": None}),
            [_usage(1000, 500, 0, memory_ms=0)],
            id="unknown memory is none that was seen",
        ),
        pytest.param(
            (1100, {"energy_millijoules": 1000}),
            (1101, {"energy_millijoules": 1350}),
            [_usage(1000, 500, 350)],
            id="energy is the difference of two readings",
        ),
        pytest.param(
            (1100, {"energy_millijoules": 1000}),
            (1101, {"energy_millijoules": 20}),
            [_usage(1000, 500, None)],
            id="a counter that began anew says nothing",
        ),
        pytest.param((1100, {}), (1101, {"uuid": "GPU-b"}), [], id="a GPU that is not leased"),
    ],
)
def test_the_time_between_two_samples(before: tuple, now: tuple, want: list[Use]) -> None:
    totals = _totals()

    totals.add(
        a_sample(a_gpu(**before[1]), at=before[0], knowing=LEASED), a_sample(a_gpu(**now[1]), at=now[0], knowing=LEASED)
    )

    assert totals.usage() == want


def test_a_thousand_short_samples_lose_nothing() -> None:
    totals, step = _totals(), 0.001
    samples = [a_sample(a_gpu(utilization_percent=33), at=1000 + at * step, knowing=LEASED) for at in range(1001)]

    for before, now in itertools.pairwise(samples):
        totals.add(before, now)

    assert totals.usage() == [_usage(1000, 330, 0)]


def test_a_gpu_without_an_energy_counter_has_none() -> None:
    totals = _totals()
    gpu = a_gpu(energy_millijoules=None)

    totals.add(a_sample(gpu, at=1100, knowing=LEASED), a_sample(gpu, at=1101, knowing=LEASED))

    assert totals.usage() == [_usage(1000, 500, None)]


def _second(totals: Totals, at: float = 1100, gpu: GpuSnapshot | None = None) -> None:
    gpu = gpu or a_gpu()
    totals.add(a_sample(gpu, at=at, knowing=LEASED), a_sample(gpu, at=at + 1, knowing=LEASED))


def test_totals_stay_while_the_allocator_lists_the_allocation() -> None:
    totals = _totals()
    _second(totals)

    totals.settle(totals.usage(), listed={"all_1"})

    assert totals.usage() == [_usage(1000, 500, 0)]


def test_totals_go_once_unlisted_and_their_final_state_is_acknowledged() -> None:
    totals = _totals()
    _second(totals)

    totals.settle(totals.usage(), listed=frozenset())

    assert totals.usage() == []


def test_totals_that_grew_since_the_acknowledged_report_are_sent_once_more() -> None:
    totals = _totals()
    _second(totals)
    sent = totals.usage()
    _second(totals, at=1101)

    totals.settle(sent, listed=frozenset())
    left = totals.usage()
    totals.settle(left, listed=frozenset())

    assert left == [_usage(2000, 1000, 0)]
    assert totals.usage() == []


def test_a_sample_begun_before_the_answer_adds_nothing_to_what_was_forgotten() -> None:
    totals = _totals()
    _second(totals)
    totals.settle(totals.usage(), listed=frozenset())

    _second(totals, at=1101)

    assert totals.usage() == []


MIDNIGHT = 1_800_001_100
"""When the clock of the tests shows 1100."""

ACROSS = replace(LEASED, days=Days((MIDNIGHT - 86_400, MIDNIGHT, MIDNIGHT + 86_400)))


def _across(totals: Totals) -> None:
    before, now = a_gpu(energy_millijoules=0), a_gpu(energy_millijoules=400)
    totals.add(a_sample(before, at=1099.75, knowing=ACROSS), a_sample(now, at=1100.75, knowing=ACROSS))


def test_what_is_seen_across_midnight_is_of_both_days_and_none_of_it_is_lost() -> None:
    totals = _totals()

    _across(totals)

    assert totals.usage() == [
        _usage(250, 125, 100, day=MIDNIGHT - 86_400),
        _usage(750, 375, 300, day=MIDNIGHT),
    ]


def test_a_day_is_told_until_it_is_over_and_its_final_totals_are_taken() -> None:
    totals = _totals()
    _across(totals)
    first, second = totals.usage()

    totals.settle([first, second], listed={"all_1"}, over=MIDNIGHT - 86_400)
    assert totals.usage() == [first, second]
    totals.settle([second], listed={"all_1"}, over=MIDNIGHT)
    assert totals.usage() == [first, second], "nobody took the first"
    totals.settle([first, second], listed={"all_1"}, over=MIDNIGHT)
    assert totals.usage() == [second]


def test_nothing_is_added_to_a_day_that_is_settled() -> None:
    totals = _totals()
    totals.settle([], listed={"all_1"}, over=MIDNIGHT)

    _across(totals)

    assert [usage.day for usage in totals.usage()] == [MIDNIGHT]
