"""The scheduler's settings, read once in `__main__`."""

from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from dure.kube import TAINT_KEY
from scheduler.addressed import Addressed
from scheduler.compiled import CompiledFolder
from scheduler.kube.clusters import DESCRIPTION, Clusters
from scheduler.kube.desired import CLOSED_NETWORKS, KILL_MARGIN_S
from scheduler.least_kept import LEAST_DECISIONS_DAYS, LEAST_NODE_EVENTS_DAYS
from scheduler.traces import DESCRIPTION as TRACES
from scheduler.traces import PATTERN as COLLECTOR
from scheduler.webhooks.addresses import Networks, split


def _is_a_part(network: IPv4Network) -> IPv4Network:
    if not network.prefixlen:
        raise ValueError("is all there is: say which networks are closed, for example 10.0.0.0/8")
    return network


Closed = Annotated[IPv4Network, AfterValidator(_is_a_part)]


class Settings(Addressed):
    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="where /metrics, /healthz and /readyz listen")
    port: int = Field(default=8471, ge=0, le=65535, description="port of /metrics, /healthz and /readyz; 0 takes any")
    webhook_networks: Networks = Field(
        default=(), description="networks whose addresses webhooks may have though they are not public: 10.1.0.0/16,..."
    )
    compiled_folder: CompiledFolder = None
    traces: str | None = Field(default=None, pattern=COLLECTOR, description=TRACES)
    clusters: Clusters = Field(default=(), description=DESCRIPTION)
    kill_margin_s: int = Field(
        default=KILL_MARGIN_S,
        ge=1,
        le=60,
        description="so long before a lease's end every grace is over, as a kubelet takes longer than it is told",
    )
    warning_s: int = Field(
        default=900,
        ge=0,
        le=86_400,
        description="so long before a lease's end its pods are marked and an event says so, in seconds",
    )
    closed_networks: Annotated[tuple[Closed, ...], BeforeValidator(split)] = Field(
        default=tuple(map(IPv4Network, CLOSED_NETWORKS)),
        description="networks that companies' pods do not reach, where nodes and other tenants are: 10.0.0.0/8,...",
    )
    taint_key: str = Field(
        default=TAINT_KEY,
        pattern=r"^[a-z0-9.-]+/[A-Za-z0-9._-]+$",
        description="key of the taint of nodes whose GPUs are leased, as the chart and `dure node adopt` have it",
    )
    other_resources: Annotated[frozenset[str], BeforeValidator(split)] = Field(
        default=frozenset(), description="devices that companies' pods have without a lease: rdma/hca_shared,..."
    )
    pod_security_floor: Literal["baseline", "restricted"] = Field(
        default="baseline", description="the least Pod Security level that companies' namespaces enforce"
    )
    company_grace_days: int = Field(
        default=7, ge=0, le=365, description="so long after a company was closed its namespace and volumes stay"
    )
    relist_s: int = Field(
        default=300,
        ge=5,
        le=3600,
        description="watches of clusters are believed for about so long, then all is listed anew, in seconds",
    )
    keep_decisions_days: int | None = Field(
        default=None,
        ge=LEAST_DECISIONS_DAYS,
        description="decisions older than this go, and with them what makes them again; where it is not set they are kept for ever",
    )
    keep_node_events_days: int = Field(
        default=730,
        ge=LEAST_NODE_EVENTS_DAYS,
        description="what happened on nodes longer ago than this goes: XIDs, changes of health, proofs that GPUs were empty",
    )
    wake_s: float = Field(default=1.0, gt=0, le=5, description="the longest the loop sleeps, in seconds")
    ledger_verified_s: int = Field(
        default=900,
        ge=1,
        le=86_400,
        description="so long after it was last verified, or was tried to, the leader verifies the ledger, in seconds; metrics say what it found",
    )
