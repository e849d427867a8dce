"""The demo's check finds what is wrong; a check that finds nothing ever would prove nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.demo.check import check
from dure.wire import CompanyUsage, Lease, Usage

T0 = datetime(2026, 11, 24, 9, tzinfo=UTC)
DECISION = {
    "id": "dec_1",
    "at": T0,
    "outcome": "scheduled",
    "code": "starts_now",
    "detail": "-",
    "numbers": {},
    "policy_version": "1",
}


def _at(seconds: int) -> datetime:
    return T0 + timedelta(seconds=seconds)


def _lease(name: str = "lea_1", *, start: int = 0, gpu: str = "GPU-1", **changes: Any) -> Lease:
    """Ran for 10 s on one GPU, as promised."""
    fields: dict[str, Any] = {
        "id": name, "company": "acme", "pool": "h100", "name": None, "shape": {"gpus": 1}, "duration_s": 10,
        "tier": "reserved", "purpose": "training", "state": "ended", "asked_at": T0, "start": None, "start_by": None,
        "promised_start": _at(start), "starts_at": _at(start), "ends_at": _at(start + 10), "stops_at": _at(start + 10),
        "started_at": _at(start), "ended_at": _at(start + 10), "end_cause": "expired", "late_start_s": 0,
        "late_cause": None, "placement": [], "gpus": [{"uuid": gpu, "node": "n1", "proved_empty_at": None}],
        "decision": DECISION,
    }  # fmt: skip
    return Lease.model_validate(fields | changes)


def _usage(leased: int, lost: int = 0, busy: int = 0) -> Usage:
    row = CompanyUsage(
        company="acme",
        pool="h100",
        leases=1,
        leased_gpu_seconds=leased,
        lost_gpu_seconds=lost,
        busy_gpu_seconds=busy,
        idle_gpu_seconds=0,
        unknown_gpu_seconds=leased - busy,
        energy_joules=None,
    )
    return Usage(since=T0, until=_at(100), rows=[row])


QUOTAS = {("acme", "h100"): 1}


def test_a_lease_that_went_as_promised_is_a_promise_kept() -> None:
    found = check({"lea_1": _lease()}, [_lease()], _usage(10), QUOTAS)
    assert (found.wrong, found.late_with_cause, found.kept) == ([], [], 1)


def test_a_start_before_the_promise_keeps_it_where_no_time_was_asked_for() -> None:
    found = check({"lea_1": _lease()}, [EARLY], _usage(10), QUOTAS)
    assert (found.wrong, found.kept) == ([], 1)


def test_a_late_start_with_a_cause_is_counted_apart() -> None:
    late = _lease(started_at=_at(3), late_start_s=3, late_cause="scheduler_away")
    found = check({"lea_1": _lease()}, [late], _usage(7, lost=3), QUOTAS)
    assert (found.wrong, found.late_with_cause) == ([], ["lea_1: started 3 s after its promise, scheduler_away"])


def test_a_promise_that_was_never_kept_is_counted_apart_when_its_cause_is_written_down() -> None:
    never = _lease(started_at=None, late_start_s=None, stops_at=_at(0), late_cause="scheduler_away")
    found = check({"lea_1": _lease()}, [never], _usage(0, lost=10), QUOTAS)
    assert (found.wrong, found.late_with_cause, found.kept) == ([], ["lea_1: never started, scheduler_away"], 0)


def test_a_play_without_a_promise_proves_nothing() -> None:
    found = check({}, [], Usage(since=T0, until=_at(9), rows=[]), {})
    assert found.wrong == ["no promise was given, so none was kept"]


LATE = _lease(started_at=_at(3), late_start_s=3)
EARLY = _lease(started_at=_at(-5), starts_at=_at(-5), ends_at=_at(5), stops_at=_at(5), ended_at=_at(5))
BEFORE = EARLY.model_copy(update={"start": T0})
NEVER = _lease(started_at=None, late_start_s=None, stops_at=_at(0))
CUT = _lease(ended_at=_at(4))
MOVED = _lease(promised_start=_at(1))
LONGER = _lease(ends_at=_at(11))


@pytest.mark.parametrize(
    ("leases", "usage", "want"),
    [
        pytest.param(
            [LATE], _usage(7, lost=3), "started 3 s after its promise and nobody says why", id="late without a cause"
        ),
        pytest.param([BEFORE], _usage(10), "started -5 s after its promise", id="started before the time asked for"),
        pytest.param([NEVER], _usage(0, lost=10), "never started and nobody says why", id="never started"),
        pytest.param([CUT], _usage(10), "ended 6 s before its end", id="ended before its end"),
        pytest.param([MOVED], _usage(10), "its promise was moved or its box cut", id="a promise that was moved"),
        pytest.param([LONGER], _usage(10), "its promise was moved or its box cut", id="a box that is longer"),
        pytest.param([], _usage(0), "was answered and is gone", id="a lease that is lost"),
        pytest.param([_lease(), _lease()], _usage(20), "is there twice", id="a lease that is doubled"),
        pytest.param([_lease(), _lease("lea_2", start=9)], _usage(20), "GPU-1: in lea_1 and lea_2", id="a shared GPU"),
        pytest.param(
            [_lease(), _lease("lea_2", start=5, gpu="GPU-2")], _usage(20), "held 2 GPUs of h100", id="above the quota"
        ),
        pytest.param([_lease()], _usage(11), "usage says 11 GPU-seconds leased, its leases 10", id="usage too high"),
        pytest.param([_lease()], _usage(10, lost=1), "usage says 1 GPU-seconds lost", id="a loss that was none"),
        pytest.param([_lease()], _usage(10, busy=11), "busy 11 of 10", id="busier than leased"),
        pytest.param([_lease()], Usage(since=T0, until=_at(9), rows=[]), "does not know it", id="usage forgot it"),
    ],
)
def test_what_is_wrong_is_said(leases: list[Lease], usage: Usage, want: str) -> None:
    found = check({"lea_1": _lease()}, leases, usage, QUOTAS)
    assert any(want in sentence for sentence in found.wrong), found.wrong
