"""The tables, and nothing else. They do not validate (SQLModel tables never do): the store writes them, the database
checks them. Instants are whole Unix seconds in Python and `timestamptz` in the database."""

# SQLModel declares `__tablename__` in a way that no plain string satisfies.
# pyright: reportIncompatibleVariableOverride=false

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
SQLModel.metadata.naming_convention = NAMING


class Epoch(TypeDecorator[int]):
    """Whole Unix seconds here, `timestamptz` there."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Any) -> datetime | None:
        return None if value is None else datetime.fromtimestamp(value, UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> int | None:
        return None if value is None else int(value.timestamp())


class ExactEpoch(TypeDecorator[float]):
    """Unix seconds with their fraction here, `timestamptz` there: for lateness and silence, never for promises."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Any) -> datetime | None:
        return None if value is None else datetime.fromtimestamp(value, UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> float | None:
        return None if value is None else value.timestamp()


def _key() -> Any:
    return Column(Text, primary_key=True)


def _text(*, null: bool = False) -> Any:
    return Column(Text, nullable=null)


def _ref(target: str, *, null: bool = False, key: bool = False) -> Any:
    return Column(Text, ForeignKey(target), nullable=null, primary_key=key)


def _int(*, null: bool = False) -> Any:
    return Column(Integer, nullable=null)


def _big(*, null: bool = False) -> Any:
    return Column(BigInteger, nullable=null)


def _at(*, null: bool = False) -> Any:
    return Column(Epoch, nullable=null)


class Company(SQLModel, table=True):
    name: str = Field(sa_column=_key())
    title: str | None = Field(default=None, sa_column=_text(null=True))
    created_at: int = Field(sa_column=_at())


class Pool(SQLModel, table=True):
    """`generation` counts the decisions; whoever decides holds this row's lock."""

    __table_args__ = (CheckConstraint("gap_s >= 1", name="gap"), UniqueConstraint("product"))

    name: str = Field(sa_column=_key())
    product: str = Field(sa_column=_text())
    gap_s: int = Field(sa_column=_int())
    grace_s: int = Field(sa_column=_int())
    empty_memory_bytes: int = Field(sa_column=_big())
    created_at: int = Field(sa_column=_at())
    generation: int = Field(default=0, sa_column=_big())


class Quota(SQLModel, table=True):
    __table_args__ = (CheckConstraint("gpus >= 0", name="gpus"),)

    company: str = Field(sa_column=_ref("company.name", key=True))
    pool: str = Field(sa_column=_ref("pool.name", key=True))
    gpus: int = Field(sa_column=_int())


class Node(SQLModel, table=True):
    """`reading` is the newest report's GPU readings, for people and metrics; decisions read `gpu` alone."""

    __table_args__ = (CheckConstraint("state IN ('enrolled', 'ok', 'unknown')", name="state"),)

    name: str = Field(sa_column=_key())
    state: str = Field(default="enrolled", sa_column=_text())
    enrolled_at: int = Field(sa_column=_at())
    last_report_at: float | None = Field(default=None, sa_column=Column(ExactEpoch, nullable=True, index=True))
    silent_after_s: int | None = Field(default=None, sa_column=_int(null=True))
    boot: str | None = Field(default=None, sa_column=_text(null=True))
    seq: int | None = Field(default=None, sa_column=_big(null=True))
    clock_offset_s: int | None = Field(default=None, sa_column=_big(null=True))
    agent_version: str | None = Field(default=None, sa_column=_text(null=True))
    driver_version: str | None = Field(default=None, sa_column=_text(null=True))
    reading: list[dict[str, Any]] | None = Field(default=None, sa_column=Column(JSONB, nullable=True))


class Gpu(SQLModel, table=True):
    """A schedulable GPU as last reported. `present` is false once its node stopped reporting it."""

    uuid: str = Field(sa_column=_key())
    node: str = Field(sa_column=Column(Text, ForeignKey("node.name"), nullable=False, index=True))
    index: int = Field(sa_column=_int())
    product: str = Field(sa_column=_text())
    pool: str | None = Field(default=None, sa_column=Column(Text, ForeignKey("pool.name"), nullable=True, index=True))
    health: str = Field(sa_column=_text())
    present: bool = Field(default=True, sa_column=Column(Boolean, nullable=False))
    quarantined: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))


class PoolNode(SQLModel, table=True):
    """What a node can give to a pool, as the calendar reads it; written under the pool's lock."""

    __tablename__: str = "pool_node"
    __table_args__ = (Index("ix_pool_node_pool_generation", "pool", "generation"),)

    pool: str = Field(sa_column=_ref("pool.name", key=True))
    node: str = Field(sa_column=_ref("node.name", key=True))
    capacity: int = Field(sa_column=_int())
    nominal: int = Field(sa_column=_int())
    open: bool = Field(sa_column=Column(Boolean, nullable=False))
    generation: int = Field(sa_column=_big())


class Token(SQLModel, table=True):
    __table_args__ = (
        CheckConstraint("role IN ('admin', 'company', 'node')", name="role"),
        CheckConstraint("(role = 'company') = (company IS NOT NULL)", name="company"),
        CheckConstraint("(role = 'node') = (node IS NOT NULL)", name="node"),
    )

    id: str = Field(sa_column=_key())
    secret_sha256: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    role: str = Field(sa_column=_text())
    company: str | None = Field(default=None, sa_column=_ref("company.name", null=True))
    node: str | None = Field(default=None, sa_column=_ref("node.name", null=True))
    label: str | None = Field(default=None, sa_column=_text(null=True))
    created_at: int = Field(sa_column=_at())
    expires_at: int | None = Field(default=None, sa_column=_at(null=True))
    revoked_at: int | None = Field(default=None, sa_column=_at(null=True))


class Decision(SQLModel, table=True):
    """Append-only: every decision about an ask, granted or not."""

    id: str = Field(sa_column=_key())
    at: int = Field(sa_column=_at())
    lease: str = Field(sa_column=Column(Text, nullable=False, index=True))
    company: str = Field(sa_column=_text())
    pool: str = Field(sa_column=_text())
    generation: int = Field(sa_column=_big())
    policy_version: str = Field(sa_column=_text())
    outcome: str = Field(sa_column=_text())
    code: str = Field(sa_column=_text())
    detail: str = Field(sa_column=_text())
    numbers: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    request_id: str | None = Field(default=None, sa_column=_text(null=True))


_STATES = "'refused', 'queued', 'scheduled', 'active', 'ending', 'ended', 'cancelled', 'expired'"


class Lease(SQLModel, table=True):
    """An ask and what became of it. `generation` is the pool's at the last change that the calendar must see."""

    __table_args__ = (
        CheckConstraint(f"state IN ({_STATES})", name="state"),
        CheckConstraint(
            "(gpus IS NULL) <> (nodes IS NULL) AND (nodes IS NULL) = (gpus_per_node IS NULL)", name="shape"
        ),
        CheckConstraint("total_gpus = coalesce(gpus, nodes * gpus_per_node) AND total_gpus > 0", name="total"),
        CheckConstraint(
            "state NOT IN ('scheduled', 'active', 'ending', 'ended') OR (promised_start IS NOT NULL"
            " AND starts_at IS NOT NULL AND ends_at IS NOT NULL AND stops_at IS NOT NULL)",
            name="placed",
        ),
        CheckConstraint(
            "starts_at <= promised_start AND ends_at = starts_at + duration_s * interval '1 second'"
            " AND stops_at BETWEEN starts_at AND ends_at",
            name="box",
        ),
        CheckConstraint("state NOT IN ('active', 'ending') OR started_at IS NOT NULL", name="started"),
        CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL)", name="ended"),
        CheckConstraint("state <> 'ended' OR end_cause IS NOT NULL", name="cause"),
        Index("ix_lease_pool_generation", "pool", "generation"),
        Index("ix_lease_company_id", "company", "id"),
        Index("ix_lease_queue", "pool", "id", postgresql_where=text("state = 'queued'")),
        Index("ix_lease_due_start", "starts_at", postgresql_where=text("state = 'scheduled'")),
        Index("ix_lease_due_stop", "stops_at", postgresql_where=text("state IN ('active', 'ending')")),
    )

    id: str = Field(sa_column=_key())
    company: str = Field(sa_column=_ref("company.name"))
    pool: str = Field(sa_column=_ref("pool.name"))
    name: str | None = Field(default=None, sa_column=_text(null=True))
    nodes: int | None = Field(default=None, sa_column=_big(null=True))
    gpus_per_node: int | None = Field(default=None, sa_column=_big(null=True))
    gpus: int | None = Field(default=None, sa_column=_big(null=True))
    total_gpus: int = Field(sa_column=_big())
    duration_s: int = Field(sa_column=_int())
    tier: str = Field(sa_column=_text())
    purpose: str = Field(sa_column=_text())
    wants_queue: bool = Field(sa_column=Column(Boolean, nullable=False))
    start: int | None = Field(default=None, sa_column=_at(null=True))
    start_by: int | None = Field(default=None, sa_column=_at(null=True))
    state: str = Field(sa_column=_text())
    asked_at: int = Field(sa_column=_at())
    promised_start: int | None = Field(default=None, sa_column=_at(null=True))
    starts_at: int | None = Field(default=None, sa_column=_at(null=True))
    ends_at: int | None = Field(default=None, sa_column=_at(null=True))
    stops_at: int | None = Field(default=None, sa_column=_at(null=True))
    started_at: int | None = Field(default=None, sa_column=_at(null=True))
    ended_at: int | None = Field(default=None, sa_column=_at(null=True))
    end_cause: str | None = Field(default=None, sa_column=_text(null=True))
    late_cause: str | None = Field(default=None, sa_column=_text(null=True))
    decision: str = Field(sa_column=_ref("decision.id"))
    generation: int = Field(sa_column=_big())


class PlacementRow(SQLModel, table=True):
    __tablename__: str = "placement"
    __table_args__ = (CheckConstraint("gpus > 0", name="gpus"),)

    lease: str = Field(sa_column=_ref("lease.id", key=True))
    node: str = Field(sa_column=_ref("node.name", key=True))
    gpus: int = Field(sa_column=_int())


class Allocation(SQLModel, table=True):
    """One GPU held by one lease. Live until proved empty: the index makes two live ones on a GPU impossible."""

    __table_args__ = (
        Index("uq_allocation_live_gpu", "gpu", unique=True, postgresql_where=text("closed_at IS NULL")),
        Index("ix_allocation_live_node", "node", postgresql_where=text("closed_at IS NULL")),
        Index("ix_allocation_lease", "lease"),
        CheckConstraint("closed_at IS NULL OR ended_at IS NOT NULL", name="ended_first"),
    )

    id: str = Field(sa_column=_key())
    lease: str = Field(sa_column=_ref("lease.id"))
    gpu: str = Field(sa_column=_ref("gpu.uuid"))
    node: str = Field(sa_column=_ref("node.name"))
    opened_at: int = Field(sa_column=_at())
    ended_at: int | None = Field(default=None, sa_column=_at(null=True))
    closed_at: int | None = Field(default=None, sa_column=_at(null=True))


class AllocationUse(SQLModel, table=True):
    """What one run of an agent saw of an allocation, as running totals: written twice, it is the same."""

    __tablename__: str = "allocation_use"

    allocation: str = Field(sa_column=_ref("allocation.id", key=True))
    boot: str = Field(sa_column=_key())
    sampled_ms: int = Field(sa_column=_big())
    busy_ms: int = Field(sa_column=_big())
    energy_millijoules: int | None = Field(default=None, sa_column=_big(null=True))


class Account(SQLModel, table=True):
    """A company's GPU-seconds in a pool: `committed` by promises not yet settled, `spent` by leases that ended."""

    __table_args__ = (
        CheckConstraint("committed >= 0", name="committed"),
        CheckConstraint("spent >= 0", name="spent"),
    )

    company: str = Field(sa_column=_ref("company.name", key=True))
    pool: str = Field(sa_column=_ref("pool.name", key=True))
    seq: int = Field(default=0, sa_column=_big())
    committed: int = Field(default=0, sa_column=_big())
    spent: int = Field(default=0, sa_column=_big())


class LedgerEntry(SQLModel, table=True):
    """Append-only. `seq` numbers the account's entries without a gap; the balances are those after this entry."""

    __tablename__: str = "ledger_entry"
    __table_args__ = (
        CheckConstraint("kind IN ('commit', 'settle', 'refund')", name="kind"),
        CheckConstraint("gpu_seconds >= 0", name="amount"),
        CheckConstraint("committed >= 0 AND spent >= 0", name="balance"),
        Index("ix_ledger_entry_lease", "lease"),
    )

    company: str = Field(sa_column=_ref("company.name", key=True))
    pool: str = Field(sa_column=_ref("pool.name", key=True))
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    at: int = Field(sa_column=_at())
    lease: str = Field(sa_column=_ref("lease.id"))
    kind: str = Field(sa_column=_text())
    gpu_seconds: int = Field(sa_column=_big())
    cause: str = Field(sa_column=_text())
    committed: int = Field(sa_column=_big())
    spent: int = Field(sa_column=_big())


class LeaseEvent(SQLModel, table=True):
    """Append-only: what happened to a lease."""

    __tablename__: str = "lease_event"
    __table_args__ = (Index("ix_lease_event_lease_seq", "lease", "seq"),)

    seq: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    lease: str = Field(sa_column=_ref("lease.id"))
    at: int = Field(sa_column=_at())
    event: str = Field(sa_column=_text())
    state: str = Field(sa_column=_text())
    cause: str | None = Field(default=None, sa_column=_text(null=True))
    detail: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class Audit(SQLModel, table=True):
    """Append-only: who did what, when, and what it was before and after."""

    seq: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    at: int = Field(sa_column=_at())
    actor: str = Field(sa_column=_text())
    action: str = Field(sa_column=_text())
    subject: str = Field(sa_column=_text())
    before: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB, nullable=True))
    after: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB, nullable=True))
    request_id: str | None = Field(default=None, sa_column=_text(null=True))


class IdempotentAnswer(SQLModel, table=True):
    """The answer given under an Idempotency-Key, kept for a day."""

    __tablename__: str = "idempotent_answer"

    principal: str = Field(sa_column=_key())
    key: str = Field(sa_column=_key())
    fingerprint: str = Field(sa_column=_text())
    created_at: int = Field(sa_column=Column(Epoch, nullable=False, index=True))
    status: int | None = Field(default=None, sa_column=_int(null=True))
    body: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))


class Leader(SQLModel, table=True):
    """One row. Each leader raises `epoch`; a commit of a leader whose epoch is not the newest is refused."""

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    epoch: int = Field(sa_column=_big())
    took_over_at: int | None = Field(default=None, sa_column=_at(null=True))


class Receiving(SQLModel, table=True):
    """One row: since when API replicas have been there to take reports, and when one last said so."""

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    since: float = Field(sa_column=Column(ExactEpoch, nullable=False))
    alive_at: float = Field(sa_column=Column(ExactEpoch, nullable=False))
