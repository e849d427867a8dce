"""Asks, leases, and the GPUs they hold."""

# SQLModel declares `__tablename__` in a way that no plain string satisfies.
# pyright: reportIncompatibleVariableOverride=false

from datetime import date

from sqlalchemy import Boolean, CheckConstraint, Column, Date, Index, column, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlmodel import Field, SQLModel

from scheduler.store.tables.columns import Epoch, at_column, big_column, int_column, key_column, ref_column, text_column

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
        CheckConstraint(
            "coalesce(gpus, nodes) BETWEEN coalesce(min_size, 1) AND coalesce(max_size, 2147483647)", name="size"
        ),
        CheckConstraint("resized_at BETWEEN starts_at AND ends_at", name="resized"),
        Index("ix_lease_pool_generation", "pool", "generation"),
        Index("ix_lease_company_id", "company", "id"),
        Index("ix_lease_asked_at", "asked_at", postgresql_using="brin"),
        Index("ix_lease_queue", "pool", "id", postgresql_where=text("state = 'queued'")),
        Index("ix_lease_due_start", "starts_at", postgresql_where=text("state = 'scheduled'")),
        Index("ix_lease_due_renewal", "stops_at", postgresql_where=text("state = 'active' AND renew_s IS NOT NULL")),
        Index("ix_lease_ended", "pool", "stops_at", postgresql_where=text("state = 'ended'")),
        Index(
            "ix_lease_uncounted",
            "id",
            postgresql_where=text("counted_at IS NULL AND state IN ('active', 'ending', 'ended')"),
        ),
        Index("ix_lease_due_stop", "stops_at", postgresql_where=text("state IN ('active', 'ending')")),
    )

    id: str = Field(sa_column=key_column())
    company: str = Field(sa_column=ref_column("company.name"))
    pool: str = Field(sa_column=ref_column("pool.name"))
    name: str | None = Field(default=None, sa_column=text_column(null=True))
    nodes: int | None = Field(default=None, sa_column=big_column(null=True))
    gpus_per_node: int | None = Field(default=None, sa_column=big_column(null=True))
    gpus: int | None = Field(default=None, sa_column=big_column(null=True))
    total_gpus: int = Field(sa_column=big_column())
    duration_s: int = Field(sa_column=int_column())
    tier: str = Field(sa_column=text_column())
    purpose: str = Field(sa_column=text_column())
    wants_queue: bool = Field(sa_column=Column(Boolean, nullable=False))
    start: int | None = Field(default=None, sa_column=at_column(null=True))
    start_by: int | None = Field(default=None, sa_column=at_column(null=True))
    notice_s: int = Field(sa_column=int_column())
    asked_s: int = Field(sa_column=int_column())
    """The length that it was asked for."""
    renew_s: int | None = Field(default=None, sa_column=int_column(null=True))
    """By how much it is extended before extending closes, if it renews itself."""
    renewal_refused_at: int | None = Field(default=None, sa_column=at_column(null=True))
    """When its renewal was last tried in vain."""
    min_size: int | None = Field(default=None, sa_column=big_column(null=True))
    max_size: int | None = Field(default=None, sa_column=big_column(null=True))
    """Between what it is resized, in nodes for a gang and in GPUs for a total."""
    asked_size: int = Field(sa_column=big_column())
    """The size that it was asked for, in the same unit: one with a `min_size` may have been granted less."""
    resized_at: int | None = Field(default=None, sa_column=at_column(null=True))
    """From when on it has its present size; null if it was never resized while it ran."""
    state: str = Field(sa_column=text_column())
    asked_at: int = Field(sa_column=at_column())
    promised_start: int | None = Field(default=None, sa_column=at_column(null=True))
    granted_at: int | None = Field(default=None, sa_column=at_column(null=True))
    """When its start was decided, if it came out of the queue of a pool with a walk-in reserve."""
    slipped_from: int | None = Field(default=None, sa_column=at_column(null=True))
    """What it was promised before capacity was lost, while it is promised something later."""
    expected_start: int | None = Field(default=None, sa_column=at_column(null=True))
    """When it was expected to start when it was asked for, which bound nobody; null where nobody could say."""
    starts_at: int | None = Field(default=None, sa_column=at_column(null=True))
    ends_at: int | None = Field(default=None, sa_column=at_column(null=True))
    stops_at: int | None = Field(default=None, sa_column=at_column(null=True))
    started_at: int | None = Field(default=None, sa_column=at_column(null=True))
    ended_at: int | None = Field(default=None, sa_column=at_column(null=True))
    end_cause: str | None = Field(default=None, sa_column=text_column(null=True))
    late_cause: str | None = Field(default=None, sa_column=text_column(null=True))
    decision: str = Field(sa_column=text_column())
    generation: int = Field(sa_column=big_column())
    all_at_once: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    """Whether its pods wait for each other: they start once all of its GPUs are asked for."""
    extendable: bool = Field(default=True, sa_column=Column(Boolean, nullable=False, server_default=text("true")))
    """One that is not has its pods' deadline from their start on."""
    counted_at: int | None = Field(default=None, sa_column=at_column(null=True))
    """When its days were written down as `LeaseDay`; from then on nothing that agents say of it counts."""


class Attendance(SQLModel, table=True):
    """What was seen of a lease, and is kept in mind, in a pool that gives back those on which nothing, or hardly anything,
    runs.
    """

    __table_args__ = (CheckConstraint("kept >= 0 AND (kept = 0) = (kept_at IS NULL)", name="kept"),)

    lease: str = Field(sa_column=ref_column("lease.id", key=True))
    shown_at: int | None = Field(default=None, sa_column=at_column(null=True))
    told_at: int | None = Field(default=None, sa_column=at_column(null=True))
    """When its company was warned that it is given back, since it last kept it."""
    kept_at: int | None = Field(default=None, sa_column=at_column(null=True))
    kept: int = Field(default=0, sa_column=int_column())
    idle_seen_at: int | None = Field(default=None, sa_column=at_column(null=True))
    """When it was last looked at whether it is idle; what its GPUs had used by then is in `AllocationSeen`."""
    idle_since: int | None = Field(default=None, sa_column=at_column(null=True))
    idle_told_at: int | None = Field(default=None, sa_column=at_column(null=True))
    """When its company was warned that it is given back as idle, since it is."""


class AllocationSeen(SQLModel, table=True):
    """What agents had seen of an allocation at the last look whether its lease is idle: running totals."""

    __tablename__: str = "allocation_seen"

    allocation: str = Field(sa_column=ref_column("allocation.id", key=True))
    sampled_ms: int = Field(sa_column=big_column())
    busy_ms: int = Field(sa_column=big_column())


class LeaseSpan(SQLModel, table=True):
    """Append-only: a lease had so many GPUs over `[since, until)`, before it was resized. Its row has its present size."""

    __tablename__: str = "lease_span"
    __table_args__ = (CheckConstraint("gpus > 0 AND since < until", name="span"),)

    lease: str = Field(sa_column=ref_column("lease.id", key=True))
    since: int = Field(sa_column=Column(Epoch, primary_key=True))
    until: int = Field(sa_column=at_column())
    gpus: int = Field(sa_column=big_column())


class PlacementRow(SQLModel, table=True):
    __tablename__: str = "placement"
    __table_args__ = (CheckConstraint("gpus > 0", name="gpus"),)

    lease: str = Field(sa_column=ref_column("lease.id", key=True))
    node: str = Field(sa_column=ref_column("node.name", key=True))
    gpus: int = Field(sa_column=int_column())


class Allocation(SQLModel, table=True):
    """One GPU held by one lease. Live until proved empty: the database makes two live ones on a GPU impossible, and looks at the
    end of each statement, so that one can swap GPUs.
    """

    __table_args__ = (
        ExcludeConstraint(
            (column("gpu"), "="),
            name="uq_allocation_live_gpu",
            using="btree",
            where=text("closed_at IS NULL"),
            deferrable=True,
            initially="IMMEDIATE",
        ),
        Index("ix_allocation_live_node", "node", postgresql_where=text("closed_at IS NULL")),
        Index("ix_allocation_lease", "lease"),
        Index("ix_allocation_given_back", "ended_at", postgresql_where=text("given_back")),
        CheckConstraint("closed_at IS NULL OR ended_at IS NOT NULL", name="ended_first"),
        CheckConstraint("ended_at IS NOT NULL OR NOT given_back", name="given_back"),
    )

    id: str = Field(sa_column=key_column())
    lease: str = Field(sa_column=ref_column("lease.id"))
    gpu: str = Field(sa_column=ref_column("gpu.uuid"))
    node: str = Field(sa_column=ref_column("node.name"))
    opened_at: int = Field(sa_column=at_column())
    ended_at: int | None = Field(default=None, sa_column=at_column(null=True))
    closed_at: int | None = Field(default=None, sa_column=at_column(null=True))
    given_back: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))
    """Whether the lease gave it back while it ran, and had others still."""
    unproved: str | None = Field(default=None, sa_column=text_column(null=True))
    """Why its node's agent may not call the GPU empty yet, once it is over; null where the agent gives no reason of its own."""


class AllocationLoss(SQLModel, table=True):
    """A GPU was lost to the lease that holds it over `[since, until)`; null while it is. See `scheduler.core.lost`."""

    __tablename__: str = "allocation_loss"
    __table_args__ = (
        CheckConstraint("since < until", name="span"),
        Index("uq_allocation_loss_open", "allocation", unique=True, postgresql_where=text("until IS NULL")),
    )

    allocation: str = Field(sa_column=ref_column("allocation.id", key=True))
    since: int = Field(sa_column=Column(Epoch, primary_key=True))
    until: int | None = Field(default=None, sa_column=at_column(null=True))
    wrong: str = Field(sa_column=text_column())


class AllocationUse(SQLModel, table=True):
    """What one run of an agent saw of an allocation on one day, as running totals: written twice, it is the same."""

    __tablename__: str = "allocation_use"
    __table_args__ = (Index("ix_allocation_use_day", "day"),)

    allocation: str = Field(sa_column=ref_column("allocation.id", key=True))
    boot: str = Field(sa_column=key_column())
    day: date = Field(sa_column=Column(Date, primary_key=True))
    """Of the programme's zone."""
    sampled_ms: int = Field(sa_column=big_column())
    busy_ms: int = Field(sa_column=big_column())
    energy_millijoules: int | None = Field(default=None, sa_column=big_column(null=True))
    memory_ms: int = Field(sa_column=big_column())
    memory_mebibyte_s: int = Field(sa_column=big_column())


class LeaseDay(SQLModel, table=True):
    """Append-only: what a lease that is over had and used on one day, in GPU-seconds, written once for all reports.

    What was leased and neither busy nor idle nobody saw. `memory_s` is for how long its GPUs' memory was seen.
    """

    __tablename__: str = "lease_day"
    __table_args__ = (
        CheckConstraint("leased >= 0 AND lost >= 0 AND busy >= 0 AND idle >= 0 AND busy + idle <= leased", name="sum"),
        Index("ix_lease_day_day", "day"),
        Index("ix_lease_day_company", "company", "day"),
    )

    lease: str = Field(sa_column=ref_column("lease.id", key=True))
    day: date = Field(sa_column=Column(Date, primary_key=True))
    company: str = Field(sa_column=text_column())
    pool: str = Field(sa_column=text_column())
    is_first: bool = Field(sa_column=Column(Boolean, nullable=False))
    """Of the lease's days, so that leases are counted without putting the days of each together."""
    leased: int = Field(sa_column=big_column())
    lost: int = Field(sa_column=big_column())
    busy: int = Field(sa_column=big_column())
    idle: int = Field(sa_column=big_column())
    energy_joules: int | None = Field(default=None, sa_column=big_column(null=True))
    memory_s: int = Field(sa_column=big_column())
    memory_mebibyte_s: int = Field(sa_column=big_column())
