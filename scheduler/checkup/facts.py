"""What is looked at to say whether Dure is well. Times are Unix seconds; what cannot be known is None."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """`number` is PostgreSQL's `server_version_num`; `migrating` says that somebody runs migrations now."""

    version: str
    number: int
    size_bytes: int
    connections: int
    most_connections: int
    round_trip_s: float
    archiving: bool
    archived_at: float | None
    archive_failed_at: float | None
    schema: str | None
    migrating: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    name: str
    kind: str
    version: str
    started_at: float
    seen_at: float
    leads: bool | None
    turned_at: float | None
    step_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    at: float
    accounts: int
    entries: int
    faults: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A node's agent. `blind` is one that does not say who is on a GPU whose lease is over; that it is not so of others proves nothing."""

    node: str
    state: str
    enrolled_at: float
    heard_at: float | None
    version: str | None
    offset_s: int | None
    blind: bool
    vouched: bool
    """By its cluster, so that it needs no token of ours."""
    ends_at: float | None
    """When its own token or credential ends; None where that is never, or where it has none."""
    has_token: bool
    joins_by: float | None
    """When a join token of its node that nobody used yet ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    name: str
    cluster: str | None
    served: bool
    """Whether a scheduler is told of its cluster; true where it names none."""
    nodes: int
    gpus: int
    above: Mapping[str, int]
    """Companies whose quota is more than the pool has, and what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    name: str
    heard_at: float | None
    trouble: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    id: str
    company: str
    failing_since: float | None
    disabled_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One that people or programs use and that has an end."""

    id: str
    role: str
    ends_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """GPUs by where they are, as (pool, node); leases by id."""

    agents: Sequence[Agent]
    pools: Sequence[Pool]
    clusters: Sequence[Cluster]
    quarantined: Mapping[tuple[str, str], int]
    unhealthy: Mapping[tuple[str, str], int]
    suspect: Mapping[tuple[str, str], int]
    violations: Mapping[str, int]
    """Those that are not over, by pool."""
    overdue: Sequence[str]
    degraded: Sequence[str]
    webhooks: Sequence[Webhook]
    unsent: int
    """Deliveries that are due and were not tried."""
    unsent_since: float | None
    tokens: Sequence[Token]


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """All of it. `machine_offset_s` is how far the clock of the API's own machine is ahead of the database's."""

    database: Database
    processes: Sequence[Process]
    ledger: Ledger | None
    fleet: Fleet
    receiving_since: float | None
    machine_offset_s: float | None
