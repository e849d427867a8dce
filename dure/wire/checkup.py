"""What the API says of how Dure is: who is there, what the database is like, and findings with what to do."""

from typing import Literal

from dure.wire.values import Instant, Wire


class Finding(Wire):
    """`ok` is null where it could not be looked at. `said` names what is wrong and what to do next. What is not `essential` is
    worth knowing, and leaves everything fit.
    """

    check: str
    ok: bool | None
    said: str
    essential: bool = True


class CheckedProcess(Wire):
    """An API replica or a scheduler, as it last said of itself."""

    name: str
    kind: Literal["api", "scheduler"]
    version: str
    started_at: Instant
    seen_at: Instant
    leads: bool | None
    """Null for what never leads."""
    turned_at: Instant | None
    """When the last turn of its loop began."""


class CheckedDatabase(Wire):
    """PostgreSQL, as the API sees it."""

    version: str
    size_bytes: int
    connections: int
    most_connections: int
    round_trip_us: int
    """How long a question that asks nothing took."""
    archiving: bool
    archived_at: Instant | None
    """When a piece of its log was last archived."""
    schema_version: str | None
    """The migration that it has."""
    wanted_schema_version: str
    """The one that this API needs."""


class CheckedAgents(Wire):
    """How many nodes there are, by how their agents are."""

    nodes: int
    reporting: int
    silent: int
    never: int
    """Enrolled, and never heard of."""
    versions: dict[str, int]
    """Nodes by their agents' version."""


class CheckedLedger(Wire):
    """When the whole ledger was last added up again."""

    at: Instant
    accounts: int
    entries: int
    faults: int


class Checkup(Wire):
    """What is null could not be looked at, and a finding says why: while the database is away that is nearly everything."""

    at: Instant
    version: str
    """Of the API that answers."""
    database: CheckedDatabase | None
    processes: list[CheckedProcess]
    """Those that were seen within a day."""
    agents: CheckedAgents | None
    ledger: CheckedLedger | None
    findings: list[Finding]
