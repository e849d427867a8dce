"""Pools, nodes and GPUs."""

# SQLModel declares `__tablename__` in a way that no plain string satisfies.
# pyright: reportIncompatibleVariableOverride=false

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from dure.kube import DEFAULT_RESOURCE
from scheduler.store.tables.columns import (
    ExactEpoch,
    at_column,
    big_column,
    int_column,
    key_column,
    ref_column,
    text_column,
)


class Pool(SQLModel, table=True):
    """`generation` counts the decisions; whoever decides holds this row's lock. Its policy is as in `dure.wire.PoolPolicy`, and
    as the live version of the policy has it, which `policy_number` is.
    """

    __table_args__ = (
        CheckConstraint("gap_s >= 1", name="gap"),
        CheckConstraint("extension_closes_s >= grace_s AND grace_s >= 0", name="extension"),
        CheckConstraint("renews_before_s >= 60", name="renewal"),
        CheckConstraint("loss_grace_s >= 0", name="loss_grace"),
        CheckConstraint("no_show_after_s >= 60 AND keeps >= 0", name="no_show"),
        CheckConstraint(
            "least(idle_after_s, inference_idle_after_s) >= 1200 AND least(idle_below_ppm, inference_idle_below_ppm) > 0",
            name="idle",
        ),
        CheckConstraint("walk_in_ppm BETWEEN 0 AND 1000000 AND walk_in_within_s >= 60", name="walk_in"),
        CheckConstraint("slack_ppm >= 0 AND reserve_ppm BETWEEN 0 AND 999999", name="policy"),
        CheckConstraint("contended_ppm BETWEEN 0 AND 1000000 AND half_life_s >= 60 AND entry_s >= 0", name="fairness"),
        CheckConstraint("spot_least_s >= 60", name="spot"),
        CheckConstraint("violations IN ('observe', 'end')", name="violations"),
        UniqueConstraint("product"),
    )

    name: str = Field(sa_column=key_column())
    product: str = Field(sa_column=text_column())
    gap_s: int = Field(sa_column=int_column())
    grace_s: int = Field(sa_column=int_column())
    extension_closes_s: int = Field(default=600, sa_column=int_column())
    renews_before_s: int = Field(default=1800, sa_column=int_column())
    empty_memory_bytes: int = Field(sa_column=big_column())
    created_at: int = Field(sa_column=at_column())
    generation: int = Field(default=0, sa_column=big_column())
    rule: str = Field(default="late-slots", sa_column=text_column())
    slack_ppm: int = Field(default=50_000, sa_column=int_column())
    reserve_ppm: int = Field(default=0, sa_column=int_column())
    reserve_over_s: int = Field(default=0, sa_column=int_column())
    walk_in_ppm: int = Field(default=0, sa_column=int_column())
    walk_in_within_s: int = Field(default=3600, sa_column=int_column())
    seniority_s: int | None = Field(default=None, sa_column=int_column(null=True))
    contended: str = Field(default="none", sa_column=text_column())
    contended_ppm: int = Field(default=900_000, sa_column=int_column())
    half_life_s: int = Field(default=604_800, sa_column=int_column())
    entry_s: int = Field(default=3600, sa_column=int_column())
    spot_least_s: int | None = Field(default=600, sa_column=int_column(null=True))
    loss_grace_s: int = Field(default=300, sa_column=int_column())
    no_show_after_s: int | None = Field(default=None, sa_column=int_column(null=True))
    keeps: int = Field(default=2, sa_column=int_column())
    idle_after_s: int | None = Field(default=None, sa_column=int_column(null=True))
    idle_below_ppm: int = Field(default=50_000, sa_column=int_column())
    inference_idle_after_s: int | None = Field(default=None, sa_column=int_column(null=True))
    inference_idle_below_ppm: int = Field(default=10_000, sa_column=int_column())
    violations: str = Field(default="observe", sa_column=text_column())
    policy_number: int = Field(sa_column=Column(BigInteger, ForeignKey("policy_version.number"), nullable=False))
    cluster: str | None = Field(default=None, sa_column=text_column(null=True))
    """The Kubernetes cluster that enforces its leases, as the processes' settings call it."""
    resource: str = Field(
        default=DEFAULT_RESOURCE, sa_column=Column(Text, nullable=False, server_default=DEFAULT_RESOURCE)
    )
    """What that cluster calls its GPUs."""


class Node(SQLModel, table=True):
    """`reading` is the GPUs' readings, for people, metrics and who asks whether somebody is on a GPU: written at once when
    health, processes or devices change, and memory by 256 MiB or past what is none; a minute old at most otherwise.
    """

    __table_args__ = (CheckConstraint("state IN ('enrolled', 'ok', 'unknown')", name="state"),)

    name: str = Field(sa_column=key_column())
    state: str = Field(default="enrolled", sa_column=text_column())
    enrolled_at: int = Field(sa_column=at_column())
    last_report_at: float | None = Field(default=None, sa_column=Column(ExactEpoch, nullable=True, index=True))
    listened_s: float = Field(default=0, sa_column=Column(Double, nullable=False, server_default=text("0")))
    """How long API replicas had listened in all when it last reported."""
    silent_after_s: int | None = Field(default=None, sa_column=int_column(null=True))
    boot: str | None = Field(default=None, sa_column=text_column(null=True))
    boot_before: str | None = Field(default=None, sa_column=text_column(null=True))
    """The agent process that reported before `boot` did: if it speaks while that one does, there are two."""
    host_boot: str | None = Field(default=None, sa_column=text_column(null=True))
    """What the kernel calls its own start; the newest that a report said."""
    seq: int | None = Field(default=None, sa_column=big_column(null=True))
    clock_offset_s: int | None = Field(default=None, sa_column=big_column(null=True))
    agent_version: str | None = Field(default=None, sa_column=text_column(null=True))
    driver_version: str | None = Field(default=None, sa_column=text_column(null=True))
    cuda_version: str | None = Field(default=None, sa_column=text_column(null=True))
    rack: str = Field(default="", sa_column=text_column())
    island: str = Field(default="", sa_column=text_column())
    vouched_by: str | None = Field(default=None, sa_column=text_column(null=True))
    """The cluster whose API server says who this node's agent is; none where the node has tokens of ours alone."""
    reading: list[dict[str, Any]] | None = Field(default=None, sa_column=Column(JSONB, nullable=True))


class Gpu(SQLModel, table=True):
    """A schedulable GPU as last reported. `present` is false once its node stopped reporting it."""

    uuid: str = Field(sa_column=key_column())
    node: str = Field(sa_column=Column(Text, ForeignKey("node.name"), nullable=False, index=True))
    index: int = Field(sa_column=int_column())
    product: str = Field(sa_column=text_column())
    pool: str | None = Field(default=None, sa_column=Column(Text, ForeignKey("pool.name"), nullable=True, index=True))
    health: str = Field(sa_column=text_column())
    present: bool = Field(default=True, sa_column=Column(Boolean, nullable=False))
    quarantined: bool = Field(default=False, sa_column=Column(Boolean, nullable=False))


class NodeEvent(SQLModel, table=True):
    """What happened on a node, as its agent told it. `told_at` is the node's own clock and makes an event that is told again the
    same one, also after the agent lost its count; `at` is by ours.
    """

    __tablename__: str = "node_event"
    __table_args__ = (Index("ix_node_event_node_at_id", "node", "at", "id"), Index("ix_node_event_at", "at"))

    node: str = Field(sa_column=ref_column("node.name", key=True))
    id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    told_at: float = Field(sa_column=Column(Double, primary_key=True))
    at: float = Field(sa_column=Column(ExactEpoch, nullable=False))
    boot: str = Field(sa_column=text_column())
    kind: str = Field(sa_column=text_column())
    gpu: str | None = Field(default=None, sa_column=text_column(null=True))
    detail: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))


class Drain(SQLModel, table=True):
    """A node out of service over `[starts_at, ends_at)`; one that is resumed ends then."""

    __table_args__ = (
        CheckConstraint("starts_at <= ends_at", name="window"),
        Index("ix_drain_node_ends_at", "node", "ends_at"),
    )

    id: str = Field(sa_column=key_column())
    node: str = Field(sa_column=ref_column("node.name"))
    starts_at: int = Field(sa_column=at_column())
    ends_at: int = Field(sa_column=at_column())
    reason: str | None = Field(default=None, sa_column=text_column(null=True))
    created_at: int = Field(sa_column=at_column())
    resumed_at: int | None = Field(default=None, sa_column=at_column(null=True))


class PoolNode(SQLModel, table=True):
    """What a node can give to a pool, as the calendar reads it; written under the pool's lock."""

    __tablename__: str = "pool_node"
    __table_args__ = (Index("ix_pool_node_pool_generation", "pool", "generation"),)

    pool: str = Field(sa_column=ref_column("pool.name", key=True))
    node: str = Field(sa_column=ref_column("node.name", key=True))
    capacity: int = Field(sa_column=int_column())
    nominal: int = Field(sa_column=int_column())
    open: bool = Field(sa_column=Column(Boolean, nullable=False))
    generation: int = Field(sa_column=big_column())
    lost_at: int | None = Field(default=None, sa_column=at_column(null=True))
    """Since when it has less than it could."""


class NodeHolders(SQLModel, table=True):
    """Which pods have which GPUs of a node, as its agent told last: each with `gpu`, `namespace` and `pod`."""

    __tablename__: str = "node_holders"

    node: str = Field(sa_column=ref_column("node.name", key=True))
    holders: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))


class Violation(SQLModel, table=True):
    """Somebody on a GPU whom no lease explains, from when its node saw it until it was gone; kept for two years after. `who` is a process
    by its pid, or a pod by namespace and name.
    """

    __table_args__ = (
        CheckConstraint("kind IN ('process', 'pod')", name="kind"),
        CheckConstraint("done IN ('observed', 'not_ours', 'pod_ended')", name="done"),
        CheckConstraint("found_by IN ('agent', 'allocator')", name="found_by"),
        CheckConstraint("began_at <= seen_at AND seen_at <= coalesce(ended_at, seen_at)", name="span"),
        Index(
            "uq_violation_open", "node", "gpu", "kind", "who", unique=True, postgresql_where=text("ended_at IS NULL")
        ),
        Index("ix_violation_node_id", "node", "id"),
        Index("ix_violation_ended_at", "ended_at"),
    )

    id: str = Field(sa_column=key_column())
    node: str = Field(sa_column=ref_column("node.name"))
    gpu: str = Field(sa_column=ref_column("gpu.uuid"))
    kind: str = Field(sa_column=text_column())
    who: str = Field(sa_column=text_column())
    pool: str | None = Field(default=None, sa_column=text_column(null=True))
    lease: str | None = Field(default=None, sa_column=ref_column("lease.id", null=True))
    """Who held the GPU when it began."""
    company: str | None = Field(default=None, sa_column=text_column(null=True))
    """Whose pod it is, where it is known and one of a company's."""
    began_at: int = Field(sa_column=at_column())
    seen_at: int = Field(sa_column=at_column())
    """When it was last written down that it is there."""
    ended_at: int | None = Field(default=None, sa_column=at_column(null=True))
    done: str = Field(sa_column=text_column())
    """What was done about it, by the policy when it was last written down, as in `dure.wire.ViolationDone`."""
    found_by: str = Field(sa_column=text_column())
    """The node's agent, or the allocator itself where a pod has more GPUs than its lease holds."""
    evidence: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class ViolationCount(SQLModel, table=True):
    """How many violations there were of each pool and kind, among those up to the id `upto`, the same in the newest rows."""

    __tablename__: str = "violation_count"

    pool: str = Field(sa_column=key_column())
    """Empty: of GPUs in none."""
    kind: str = Field(sa_column=key_column())
    found: int = Field(sa_column=int_column())
    upto: str = Field(sa_column=text_column())
