"""Kubernetes clusters, and what was seen of companies' pods in them."""

# SQLModel declares `__tablename__` in a way that no plain string satisfies.
# pyright: reportIncompatibleVariableOverride=false

from sqlalchemy import Column, ForeignKey, Index, Text
from sqlmodel import Field, SQLModel

from scheduler.store.tables.columns import ExactEpoch, at_column, int_column, key_column, ref_column, text_column


class Cluster(SQLModel, table=True):
    """A cluster that the scheduler is told of by its settings, and how it last found it."""

    name: str = Field(sa_column=key_column())
    version: str | None = Field(default=None, sa_column=text_column(null=True))
    heard_at: float | None = Field(default=None, sa_column=Column(ExactEpoch, nullable=True))
    """When it last answered."""
    trouble: str | None = Field(default=None, sa_column=text_column(null=True))
    """What is wrong with it now, in a sentence."""


class Pod(SQLModel, table=True):
    """A pod of a company that asks for GPUs, or ran on a lease. One that is over is kept some days."""

    __table_args__ = (
        Index("ix_pod_lease", "lease"),
        Index("ix_pod_company", "company"),
        Index("ix_pod_ended_at", "ended_at"),
    )

    uid: str = Field(sa_column=key_column())
    cluster: str = Field(sa_column=text_column())
    company: str = Field(sa_column=ref_column("company.name"))
    name: str = Field(sa_column=text_column())
    lease: str | None = Field(default=None, sa_column=ref_column("lease.id", null=True))
    """The lease that it runs or ran on; null while it waits."""
    wish: str | None = Field(default=None, sa_column=text_column(null=True))
    """The lease that it is meant for, by id or name, as its maker says by a label; null where nothing is said."""
    gpus: int = Field(sa_column=int_column())
    node: str | None = Field(default=None, sa_column=text_column(null=True))
    phase: str = Field(sa_column=text_column())
    waits: str | None = Field(default=None, sa_column=text_column(null=True))
    """Why it waits, by the codes of `scheduler.kube.pairing`."""
    detail: str | None = Field(default=None, sa_column=text_column(null=True))
    seen_at: int = Field(sa_column=at_column())
    ended_at: int | None = Field(default=None, sa_column=at_column(null=True))
    exit_code: int | None = Field(default=None, sa_column=int_column(null=True))
    reason: str | None = Field(default=None, sa_column=text_column(null=True))


class PodLog(SQLModel, table=True):
    """The last lines that a container of a pod wrote; they go with it."""

    __tablename__: str = "pod_log"

    uid: str = Field(sa_column=Column(Text, ForeignKey("pod.uid", ondelete="CASCADE"), primary_key=True))
    container: str = Field(sa_column=key_column())
    log: str = Field(sa_column=text_column())
