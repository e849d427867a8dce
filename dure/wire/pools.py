"""Pools: what they hold, their policies, and changes of these."""

from collections.abc import Mapping
from enum import StrEnum
from types import NoneType
from typing import Annotated, Any, Self, cast, get_args

from pydantic import ConfigDict, StringConstraints, model_serializer, model_validator

from dure.kube import DEFAULT_RESOURCE
from dure.wire.fleet import GpuState
from dure.wire.policy import OnViolation, PoolPolicy, Rule
from dure.wire.shares import Contended
from dure.wire.values import Instant, Label, Patch, PoolName, Wire

ClusterName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]
ResourceName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$"),
]


class ClusterState(StrEnum):
    """How a cluster stands; `GET /v1/clusters` says what is wrong."""

    OK = "ok"
    TROUBLE = "trouble"
    """Something is wrong with it."""
    UNKNOWN = "unknown"
    """No scheduler is told of it: nobody enforces leases there."""


class PoolCreate(PoolPolicy):
    """A pool to be, with the policy that it begins with."""

    name: PoolName
    product: Label
    """The NVML product name that makes a GPU belong here, for example `NVIDIA H100 80GB HBM3`."""
    cluster: ClusterName | None = None
    """The Kubernetes cluster that enforces its leases, as the scheduler's settings call it; null where none does."""
    resource: ResourceName = DEFAULT_RESOURCE
    """What that cluster calls its GPUs, for example `nvidia.com/mig-1g.10gb` for a MIG profile."""


class PoolChange(Patch):
    """Where a pool's leases are enforced. What is left out stays; null takes the cluster away."""

    cluster: ClusterName | None = None
    resource: ResourceName | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("say what to change: cluster or resource")
        return self


class Pool(Wire):
    name: PoolName
    product: str
    cluster: str | None = None
    cluster_state: ClusterState | None = None
    """How that cluster stands; `unknown` while no scheduler is told of it, so that nobody enforces the pool's leases."""
    resource: str = DEFAULT_RESOURCE
    gap_s: int
    grace_s: int
    extension_closes_s: int = 600
    renews_before_s: int = 1800
    empty_memory_bytes: int
    seen_empty_bytes: int | None = None
    """The most memory that is in use now on a free GPU without a process: what `empty_memory_bytes` has to be above. Null where no GPU
    is free."""
    rule: Rule
    slack_ppm: int
    reserve_ppm: int
    reserve_over_s: int
    walk_in_ppm: int = 0
    walk_in_within_s: int = 3600
    seniority_s: int | None
    loss_grace_s: int = 300
    no_show_after_s: int | None = None
    keeps: int = 2
    idle_after_s: int | None = None
    idle_below_ppm: int = 50_000
    inference_idle_after_s: int | None = None
    inference_idle_below_ppm: int = 10_000
    violations: OnViolation = "observe"
    contended: Contended = "none"
    contended_ppm: int = 900_000
    half_life_s: int = 604_800
    entry_s: int = 3600
    spot_least_s: int | None = None
    policy_number: int | None = None
    """The version of the policy that it promises by."""
    created_at: Instant
    generation: int
    """Counts the decisions and changes of this pool."""
    nodes: int
    gpus: dict[GpuState, int]
    free_draining: int = 0
    """So many of the free ones are on nodes that are out of service now: nothing starts on them."""
    queued: int
    """Asks waiting in the queue."""


def _without_defaults(schema: dict[str, Any]) -> None:
    """What is left out of a change stays as it is."""
    for field in schema["properties"].values():
        field.pop("default", None)


CAN_BE_NONE = frozenset(
    name for name, field in PoolPolicy.model_fields.items() if NoneType in get_args(field.annotation)
)
"""What a pool's policy may have none of."""


class PolicyChange(PoolPolicy):
    """The parts of a pool's policy to change. What is left out stays; null takes away what can be none."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    @model_validator(mode="before")
    @classmethod
    def _null_says_nothing(cls, values: object) -> object:
        """But of what can be none."""
        if not isinstance(values, Mapping):
            return values
        said = cast("Mapping[str, object]", values)
        return {name: value for name, value in said.items() if value is not None or name in CAN_BE_NONE}

    @model_serializer
    def said(self) -> dict[str, Any]:
        """What is to change, by the policy's own names."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        """With the rest of the policy is for whoever knows that."""
        if not self.model_fields_set:
            raise ValueError(f"say what to change: {', '.join(PoolPolicy.model_fields)}")
        return self
