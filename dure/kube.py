"""What Dure calls its things in a Kubernetes cluster. The chart's policies say the same names."""

import re
from collections.abc import Mapping

PREFIX = "dure.dev/"

COMPANY_LABEL = "dure.dev/company"
"""On a namespace: whose it is. It switches the admission policies on."""

GATE = "dure.dev/lease"
"""The scheduling gate of every pod that asks for GPUs; the reconciler alone opens it."""

LEASE_LABEL = "dure.dev/lease"
"""On a pod: the lease that it is meant for, by id or name, as its maker wishes. On keys: the lease that they are of."""

PLACEMENT_LABEL = "dure.dev/placement"
"""On a pod: the id of the lease that it runs on, written by the reconciler when it opens the gate."""

ENDS_AT = "dure.dev/ends-at"
"""On a pod that runs: when its lease ends, RFC 3339."""

SHIPPED = "dure.dev/shipped"
"""On a policy or binding of the chart: its spec as the chart wrote it, JSON."""

ENDING = "dure.dev/ending"
"""On a pod that runs: the warning that its lease's end is near."""

POOL_LABEL = "dure.dev/pool"
"""On a node: the pool that its GPUs are in. Marks it as managed."""

MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "dure"
"""Value of `MANAGED_BY`, and the field manager of all that is applied."""

TAINT_KEY = "nvidia.com/gpu"
"""Of the taint of managed nodes; device plugins' DaemonSets tolerate it, and of all others' pods the reconciler's patch alone does."""

SYSTEM_NAMESPACE = "dure-system"
RECONCILER_ACCOUNT = "dure-reconciler"
API_ACCOUNT = "dure-api"

GATE_POLICY = "dure-gate"
"""The MutatingAdmissionPolicy that puts the gate on pods, and its binding."""

QUOTA = "dure-gpus"
LIMITS = "dure-limits"
ISOLATION = "dure-isolation"
COMPANY_KEY = "dure-company"
"""Name of a company's ServiceAccount, of its RoleBinding, and of the ClusterRole that it is bound to."""

LEASE_ROLE = "dure-lease"
"""The ClusterRole that a lease's account is bound to while the lease holds GPUs."""

LEAST_GRACE_S = 1
"""Of a pod with GPUs, also where its pool has none: with 0 each deletion would be a forced one, which the policies refuse."""

DEFAULT_RESOURCE = "nvidia.com/gpu"


def is_marked(labels: Mapping[str, object], company: str) -> bool:
    """Whether a namespace's labels say that it is Dure's, and not of another company than this one."""
    return labels.get(MANAGED_BY) == MANAGER and labels.get(COMPANY_LABEL, company) == company


def is_label(value: str) -> bool:
    """Whether a label of Kubernetes can carry it."""
    return re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", value) is not None


def namespace(company: str) -> str:
    """The namespace of a company: at most 48 characters, so it is always a legal one, and none of ours can be met by it."""
    return f"dure-co-{company}"


def lease_account(lease: str) -> str:
    """The name of a lease's ServiceAccount and RoleBinding; ids have an underscore, names of objects may not."""
    return "dure-lease-" + lease.removeprefix("lea_")
