"""What a cluster should hold: companies, and their leases as they stand now. Frozen values, read by `scheduler.store.enforced`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

CLOSED_NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16")
"""Where nodes, other tenants and cloud metadata mostly are."""

KILL_MARGIN_S = 6
"""A kubelet takes nearly so much longer than the grace that it is told: docs/kubernetes.md says what was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A pod of a lease which its kubelet gave a GPU that the lease gave back at that instant."""

    node: str
    pod: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseNow:
    """A lease that is scheduled or holds GPUs. Instants are Unix seconds."""

    id: str
    company: str
    name: str | None
    resource: str
    holds: bool
    """Whether it holds its GPUs now; else it is scheduled."""
    starts_at: int
    stops_at: int
    grace_s: int
    """How long before `stops_at` its pods are told to end."""
    closes_at: int | None
    """From when on it is not extended any more; None where that is for ever open."""
    placement: Mapping[str, int]
    """GPUs by node."""
    left: tuple[Left, ...] = ()
    all_at_once: bool = False

    @property
    def gpus(self) -> int:
        return sum(self.placement.values())

    @property
    def ending_at(self) -> int:
        return self.stops_at - self.grace_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Offender:
    """A company's pod on a GPU that no lease explains, in a pool that ends such pods. Known by its uid, or where the kubelet alone told
    of it by its name.
    """

    node: str
    pod: str
    uid: str | None = None
    since: int
    """When it was seen there first."""
    is_known: bool = False
    """It was told of again after it was written down which lease the pod is on, and no swap of GPUs explained it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyNow:
    """A company and its leases in one cluster. `closed_at` is when it was closed, if it is."""

    name: str
    closed_at: int | None = None
    pod_security: str = "baseline"
    leases: tuple[LeaseNow, ...] = ()
    offenders: tuple[Offender, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """All of one cluster, read in one snapshot. `pools` are those that it enforces, with what it calls their GPUs."""

    companies: Mapping[str, CompanyNow] = field(default_factory=dict[str, CompanyNow])
    pools: Mapping[str, str] = field(default_factory=dict[str, str])
    nodes: Mapping[str, Collection[str]] = field(default_factory=dict[str, Collection[str]])
    """By pool, those whose agents show GPUs of it, whatever the cluster says of them."""

    @property
    def resources(self) -> tuple[str, ...]:
        return tuple(sorted(set(self.pools.values())))


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the operator sets for all."""

    kill_margin_s: int = KILL_MARGIN_S
    """So long before a lease's end every grace is over."""
    warning_s: int = 900
    """So long before a lease's end its pods are marked and an event says so."""
    removal_grace_s: int = 7 * 86_400
    """So long after a company was closed its namespace stays."""
    taint_key: str = "nvidia.com/gpu"
    pod_security_floor: str = "baseline"
    """The least level that any company's namespace enforces."""
    closed_networks: tuple[str, ...] = CLOSED_NETWORKS
    """Addresses outside its namespace that a company's pods do not reach."""
    other_resources: frozenset[str] = frozenset()
    """Devices that pods have without a lease, such as `rdma/hca_shared`."""
    relist_s: int = 300
    """A watch is believed for about so long; then all that it watches is listed anew."""

    def cut_at(self, lease: LeaseNow) -> int:
        """When the grace of a lease's pods is over."""
        return lease.stops_at - min(self.kill_margin_s, lease.grace_s)
