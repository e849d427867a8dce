"""Wire values with defaults, so that a test says only what it is about."""

from datetime import UTC, datetime

from dure import wire

AT = datetime(2026, 11, 24, tzinfo=UTC)


def a_lease(
    state: wire.LeaseState = wire.LeaseState.SCHEDULED,
    *,
    outcome: wire.Outcome = wire.Outcome.SCHEDULED,
    code: str = "starts_now",
) -> wire.Lease:
    decision = wire.Decision(
        id="dec_1", at=AT, outcome=outcome, code=code, detail="because", numbers={"gpus": 4}, policy_version="1"
    )
    return wire.Lease(
        id="lea_1",
        company="acme",
        pool="h100",
        name=None,
        shape=wire.Shape(gpus=4),
        duration_s=60,
        tier="reserved",
        purpose="training",
        state=state,
        asked_at=AT,
        start=None,
        start_by=None,
        promised_start=None,
        starts_at=None,
        ends_at=None,
        stops_at=None,
        started_at=None,
        ended_at=None,
        end_cause=None,
        late_start_s=None,
        late_cause=None,
        placement=[],
        gpus=[],
        decision=decision,
    )
