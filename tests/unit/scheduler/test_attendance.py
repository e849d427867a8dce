"""When a lease is a no-show: what is unknown is never absent, and nobody loses a lease without a warning in time."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.attendance import UNSEEN_MS, Gpu, Presence, Step, Watched, presence, step
from scheduler.core.model import CompanyId, Instant, LeaseId

EMPTY = Gpu(
    held_ms=600_000, sampled_ms=590_000, busy_ms=0, heard=True, processes=0, memory_bytes=100, empty_bytes=1 << 30
)
T0 = Instant(1000)


def a_lease(*gpus: Gpu, kept_at: int | None = None, told_at: int | None = None) -> Watched:
    return Watched(
        lease=LeaseId("lea_1"),
        company=CompanyId("acme"),
        started_at=T0,
        after_s=600,
        gpus=gpus or (EMPTY,),
        kept_at=None if kept_at is None else Instant(kept_at),
        told_at=None if told_at is None else Instant(told_at),
    )


@pytest.mark.parametrize(
    ("gpu", "want"),
    [
        pytest.param(EMPTY, Presence.ABSENT, id="nothing, all the time"),
        pytest.param(replace(EMPTY, busy_ms=1), Presence.SHOWN, id="it was busy once"),
        pytest.param(replace(EMPTY, busy_ms=1, heard=False), Presence.SHOWN, id="it was busy, and is silent now"),
        pytest.param(replace(EMPTY, processes=1), Presence.SHOWN, id="a process that has not computed yet"),
        pytest.param(replace(EMPTY, memory_bytes=2 << 30), Presence.SHOWN, id="memory in use"),
        pytest.param(replace(EMPTY, processes=None), Presence.UNKNOWN, id="an agent that sees no processes"),
        pytest.param(
            replace(EMPTY, processes=None, memory_bytes=2 << 30), Presence.SHOWN, id="memory seen, processes not"
        ),
        pytest.param(replace(EMPTY, memory_bytes=None), Presence.UNKNOWN, id="memory that could not be read"),
        pytest.param(replace(EMPTY, heard=False), Presence.UNKNOWN, id="a silent agent"),
        pytest.param(replace(EMPTY, processes=3, heard=False), Presence.UNKNOWN, id="an old reading of a silent agent"),
        pytest.param(replace(EMPTY, sampled_ms=0), Presence.UNKNOWN, id="nobody looked"),
        pytest.param(
            replace(EMPTY, sampled_ms=EMPTY.held_ms - UNSEEN_MS - 1), Presence.UNKNOWN, id="a minute that nobody saw"
        ),
    ],
)
def test_what_is_seen_of_a_gpu_says_whether_something_runs(gpu: Gpu, want: Presence) -> None:
    assert presence([gpu]) is want
    assert presence([EMPTY, gpu]) is want


def test_a_lease_without_gpus_is_unknown() -> None:
    assert presence([]) is Presence.UNKNOWN


@pytest.mark.parametrize(
    ("lease", "now", "want"),
    [
        pytest.param(a_lease(), 1299, Step.WAIT, id="before half of the time"),
        pytest.param(a_lease(), 1300, Step.WARN, id="at half of the time"),
        pytest.param(a_lease(), 9999, Step.WARN, id="late, as we were down: it is warned first"),
        pytest.param(a_lease(told_at=1300), 1599, Step.WAIT, id="warned, and the time is not over"),
        pytest.param(a_lease(told_at=1300), 1600, Step.GIVE_BACK, id="the time is over"),
        pytest.param(a_lease(told_at=1500), 1799, Step.WAIT, id="warned late: as long as ever"),
        pytest.param(a_lease(told_at=1500), 1800, Step.GIVE_BACK, id="warned late, and that is over"),
        pytest.param(a_lease(kept_at=1550), 1849, Step.WAIT, id="kept: the time begins anew"),
        pytest.param(a_lease(kept_at=1550), 1850, Step.WARN, id="kept, and warned anew"),
        pytest.param(a_lease(kept_at=1550, told_at=1850), 2150, Step.GIVE_BACK, id="kept in vain"),
        pytest.param(a_lease(replace(EMPTY, processes=1)), 1001, Step.NOTE, id="something runs"),
        pytest.param(a_lease(EMPTY, replace(EMPTY, heard=False), told_at=1300), 9999, Step.WAIT, id="a GPU is unknown"),
    ],
)
def test_what_is_done_when(lease: Watched, now: int, want: Step) -> None:
    assert step(lease, Instant(now)) is want


gpus = st.builds(
    Gpu,
    held_ms=st.integers(0, 10**7),
    sampled_ms=st.integers(0, 10**7),
    busy_ms=st.sampled_from([0, 0, 1]),
    heard=st.booleans(),
    processes=st.sampled_from([None, 0, 0, 1]),
    memory_bytes=st.sampled_from([None, 0, 10, 10**10]),
    empty_bytes=st.just(1 << 20),
)


@given(st.lists(gpus, max_size=4), st.integers(60, 7200), st.none() | st.integers(0, 20_000), st.integers(0, 40_000))
def test_no_lease_is_given_back_unless_all_of_it_is_known_to_be_empty_and_it_was_warned_in_time(
    seen: list[Gpu], after_s: int, told: int | None, later: int
) -> None:
    told_at = None if told is None else Instant(T0 + told)
    lease = Watched(
        lease=LeaseId("lea_1"),
        company=CompanyId("acme"),
        started_at=T0,
        after_s=after_s,
        gpus=tuple(seen),
        told_at=told_at,
    )
    now = Instant(T0 + later)
    if step(lease, now) is Step.GIVE_BACK:
        assert seen
        assert all(gpu.heard and gpu.processes == 0 and gpu.busy_ms == 0 for gpu in seen)
        assert told_at is not None
        assert now - told_at >= after_s // 2
        assert now - T0 >= after_s
