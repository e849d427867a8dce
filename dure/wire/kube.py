"""Clusters as Dure sees them: how they are reached, keys to them, and the pods in them."""

from dure.wire.pools import ClusterState
from dure.wire.values import CompanyName, Instant, Wire


class KubeAccess(Wire):
    """How a cluster is reached with the key of a company or of a lease; a kubeconfig without the key itself."""

    cluster: str
    server: str
    """The address of its API server."""
    certificate_authority: str | None
    """The certificate that the API server is known by, PEM; null where the system's own are enough."""
    namespace: str
    company: CompanyName
    lease: str | None
    """Null for a company's key."""


class KubeToken(Wire):
    """A key. It is worth nothing after `expires_at`, which is never after the end of its lease."""

    token: str
    expires_at: Instant


class Pod(Wire):
    """A pod that asks for GPUs, or ran on a lease, as it was last seen in its cluster."""

    uid: str
    cluster: str
    company: CompanyName
    namespace: str
    name: str
    lease: str | None
    """The lease that it runs or ran on; null while it waits."""
    gpus: int
    node: str | None
    phase: str
    waits: str | None
    """Why it waits at the gate: a permanent code."""
    detail: str | None
    """The same in a sentence, which says what would let it in."""
    seen_at: Instant
    ended_at: Instant | None
    exit_code: int | None
    reason: str | None


class ContainerLog(Wire):
    """The last lines that a container wrote."""

    container: str
    log: str


class PodLog(Wire):
    """What is kept of a pod that is over: how it ended, and the last lines that it wrote."""

    pod: str
    node: str | None
    ended_at: Instant
    exit_code: int | None
    reason: str | None
    containers: list[ContainerLog]
    """Without those of which the cluster had no lines any more."""


class Cluster(Wire):
    """A cluster that the scheduler is told of, and how it last found it; or one that only pools name."""

    name: str
    state: ClusterState
    version: str | None
    heard_at: Instant | None
    """When it last answered; null while it never did."""
    trouble: str | None
    """What is wrong with it now, in a sentence."""
    pools: list[str]
    """Those that name it."""
