"""When a lease is idle: what is unknown never is, and nobody loses a lease without a warning in time."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.attendance import UNSEEN_MS
from scheduler.core.idling import STRETCH_S, Gpu, Step, Watched, step, utilization_ppm
from scheduler.core.model import CompanyId, Instant, LeaseId

T0 = Instant(10_000)
SEEN_MS = STRETCH_S * 1000
IDLE = Gpu(
    allocation="all_1", sampled_ms=900_000 + SEEN_MS, busy_ms=70_000, sampled_ms_before=900_000, busy_ms_before=70_000
)
BUSY = replace(IDLE, busy_ms=IDLE.busy_ms + SEEN_MS)


def a_lease(*gpus: Gpu, since: int | None = T0 - 7000, told_at: int | None = None, seen: int = STRETCH_S) -> Watched:
    return Watched(
        lease=LeaseId("lea_1"),
        company=CompanyId("acme"),
        after_s=7200,
        below_ppm=50_000,
        gpus=gpus or (IDLE,),
        seen_at=Instant(T0 - seen),
        since=None if since is None else Instant(since),
        told_at=None if told_at is None else Instant(told_at),
    )


@pytest.mark.parametrize(
    ("lease", "want"),
    [
        pytest.param(a_lease(), 0, id="nothing was computed"),
        pytest.param(a_lease(BUSY), 1_000_000, id="all of the time"),
        pytest.param(a_lease(IDLE, BUSY, IDLE, IDLE), 250_000, id="one of four GPUs"),
        pytest.param(
            a_lease(replace(IDLE, sampled_ms=IDLE.sampled_ms - UNSEEN_MS)), 0, id="reports that come a minute late"
        ),
        pytest.param(
            a_lease(IDLE, replace(IDLE, sampled_ms=IDLE.sampled_ms - UNSEEN_MS - 1)), None, id="one GPU not seen"
        ),
        pytest.param(
            a_lease(IDLE, replace(IDLE, sampled_ms_before=None, busy_ms_before=None)),
            None,
            id="a GPU that it got since",
        ),
        pytest.param(replace(a_lease(), seen_at=None), None, id="the first look"),
        pytest.param(a_lease(seen=2 * STRETCH_S + 1), None, id="nobody looked for two stretches"),
        pytest.param(replace(a_lease(), gpus=()), None, id="without GPUs"),
    ],
)
def test_what_was_used_since_the_last_look_is_known_only_if_all_of_it_was_seen(
    lease: Watched, want: int | None
) -> None:
    assert utilization_ppm(lease, T0) == want


@pytest.mark.parametrize(
    ("lease", "want"),
    [
        pytest.param(a_lease(BUSY, told_at=T0 - 3600), Step.BEGIN, id="it computes"),
        pytest.param(a_lease(replace(IDLE, busy_ms=85_000)), Step.BEGIN, id="just as much as it has to"),
        pytest.param(a_lease(replace(IDLE, busy_ms=84_999), told_at=T0), Step.WAIT, id="just less than that"),
        pytest.param(a_lease(replace(IDLE, sampled_ms=0), told_at=T0 - 9000), Step.BEGIN, id="unknown"),
        pytest.param(a_lease(since=T0 - 3599), Step.WAIT, id="before half of the time"),
        pytest.param(a_lease(since=T0 - 3600), Step.WARN, id="at half of the time"),
        pytest.param(a_lease(since=T0 - 9000), Step.WARN, id="late: it is warned first"),
        pytest.param(a_lease(since=T0 - 7199, told_at=T0 - 3600), Step.WAIT, id="warned, and the time is not over"),
        pytest.param(a_lease(since=T0 - 7200, told_at=T0 - 3600), Step.GIVE_BACK, id="the time is over"),
        pytest.param(a_lease(since=T0 - 9000, told_at=T0 - 3599), Step.WAIT, id="warned late: as long as ever"),
        pytest.param(a_lease(since=None), Step.BEGIN, id="nothing is known yet"),
    ],
)
def test_what_is_done_when(lease: Watched, want: Step) -> None:
    assert step(lease, T0) is want


totals = st.integers(0, 10**6)
gpus = st.builds(
    Gpu,
    allocation=st.just("all_1"),
    sampled_ms=totals,
    busy_ms=st.integers(0, 10**5),
    sampled_ms_before=st.none() | totals,
    busy_ms_before=st.none() | st.integers(0, 10**5),
)


@given(
    st.lists(gpus, max_size=4),
    st.integers(1200, 7200),
    st.integers(1, 10**6),
    st.none() | st.integers(0, 20_000),
    st.none() | st.integers(0, 20_000),
    st.integers(1, 700),
)
def test_no_lease_is_given_back_unless_all_of_it_was_seen_to_be_idle_and_it_was_warned_in_time(
    seen: list[Gpu], after_s: int, below_ppm: int, since: int | None, told: int | None, stretch_s: int
) -> None:
    now = Instant(30_000)
    lease = Watched(
        lease=LeaseId("lea_1"),
        company=CompanyId("acme"),
        after_s=after_s,
        below_ppm=below_ppm,
        gpus=tuple(seen),
        seen_at=Instant(now - stretch_s),
        since=None if since is None else Instant(now - since),
        told_at=None if told is None else Instant(now - told),
    )
    if step(lease, now) is Step.GIVE_BACK:
        assert seen
        for gpu in seen:
            assert stretch_s * 1000 - (gpu.sampled_ms - (gpu.sampled_ms_before or 0)) <= UNSEEN_MS
        used = utilization_ppm(lease, now)
        assert used is not None
        assert used < below_ppm
        assert since is not None
        assert since >= after_s
        assert told is not None
        assert told >= after_s // 2
