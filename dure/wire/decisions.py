"""Decisions in full: from what they were made, whom they looked at, and what following a lease through them tells."""

from dure.wire.leases import Lease, NodeShare, PoolOption
from dure.wire.values import CompanyName, Instant, LeaseState, Outcome, PoolName, Wire


class Slot(Wire):
    """Where the plan held a lease."""

    promised_start: Instant | None
    starts_at: Instant
    ends_at: Instant
    placement: list[NodeShare]


class Tried(Wire):
    """One that a decision looked at, and what it got. Of other companies' only the size is said."""

    lease: str | None
    company: CompanyName | None
    gpus: int
    was: LeaseState | None
    """Its state before; null for an ask that just came."""
    got: LeaseState
    code: str | None
    """Why, for an ask, and for a lease whose change was refused; null where only the slot of a promise changed."""
    cause: str | None
    """Why a slot changed, or what was in the way of a change."""
    before: Slot | None
    after: Slot | None


class DecisionRecord(Wire):
    """A decision with what it was made from. Asks that came together are one decision in several parts."""

    id: str
    kind: str
    """`ask`; `replan` for a plan that moved leases or promised queued asks a start, `start` for a start that was blocked; `extend`
    and `resize` for a lease that was to get another end or size, granted or not.
    """
    part_of: str | None
    """The decision that keeps the inputs, where this was decided together with it."""
    at: Instant
    pool: PoolName
    generation: int
    """The state of the pool that it was made from."""
    lease: str | None
    """The lease that it is about alone: an ask's, or one whose change was refused."""
    company: CompanyName | None
    outcome: Outcome | None
    code: str
    detail: str
    numbers: dict[str, int | str]
    elsewhere: list[PoolOption]
    policy_version: str
    """Of the rules by which this was decided."""
    policy_number: int | None = None
    """The version of the programme's policy; null for one from before there were versions."""
    policy: dict[str, int | str | None]
    now: Instant | None
    """The time that it was decided for; null where the inputs were not kept."""
    inputs_digest: str | None
    result_digest: str | None
    order: list[Tried]
    """Whom it looked at, in this order."""
    order_more: int
    """How many more there were."""


class Replayed(Wire):
    """A decision that was made again from its inputs, rebuilt from the history, and gave the same bytes."""

    decision: str
    """The one that keeps the inputs."""
    kind: str
    pool: PoolName
    generation: int
    now: Instant
    inputs_digest: str
    result_digest: str
    result_bytes: int
    looked_at: int
    """Asks and leases in its result."""
    elsewhere: int
    """Other pools whose answers were made again too."""


class Step(Wire):
    """One thing that happened to a lease, why, and by which decision."""

    at: Instant
    event: str
    state: LeaseState
    cause: str | None
    detail: str
    decision: str | None


class Explanation(Wire):
    """Why a lease is as it is: its steps, oldest first."""

    lease: Lease
    placed: str | None = None
    """Why it is on those nodes; null while it has none."""
    steps: list[Step]
