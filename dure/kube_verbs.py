"""What Dure's two accounts may do in a cluster, as the chart grants it: the one list, which `dure doctor` asks for one by one."""

from collections.abc import Sequence
from dataclasses import dataclass

from dure.kube import COMPANY_KEY, GATE_POLICY, LEASE_ROLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """Verbs on a resource, or a subresource (`pods/log`); of these `names` alone where some are said."""

    resource: str
    verbs: Sequence[str]
    group: str = ""
    names: Sequence[str] = ()

    def __str__(self) -> str:
        where = self.resource + (f".{self.group}" if self.group else "")
        return f"{', '.join(self.verbs)} {where}" + (f" {', '.join(self.names)}" if self.names else "")


POLICY_KINDS = (
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
)

_FURNISHING = ("list", "watch", "create", "patch", "delete")
"""Of what a company's namespace holds."""

RECONCILER = (
    Right(resource="nodes", verbs=("list", "watch")),
    Right(resource="namespaces", verbs=("list", "watch", "create", "patch", "delete")),
    Right(resource="pods", verbs=("list", "watch", "patch", "delete")),
    Right(resource="pods/log", verbs=("get",)),
    Right(resource="resourcequotas", verbs=_FURNISHING),
    Right(resource="limitranges", verbs=_FURNISHING),
    Right(resource="networkpolicies", verbs=_FURNISHING, group="networking.k8s.io"),
    Right(resource="serviceaccounts", verbs=_FURNISHING),
    Right(resource="rolebindings", verbs=_FURNISHING, group="rbac.authorization.k8s.io"),
    Right(
        resource="clusterroles",
        verbs=("bind",),
        group="rbac.authorization.k8s.io",
        names=(COMPANY_KEY, LEASE_ROLE),
    ),
    Right(resource="events", verbs=("create",)),
    *(Right(resource=one, verbs=("list",), group="admissionregistration.k8s.io") for one in POLICY_KINDS),
)

API = (
    Right(resource="serviceaccounts/token", verbs=("create",)),
    Right(resource="tokenreviews", verbs=("create",), group="authentication.k8s.io"),
)

MUTATING = (GATE_POLICY, "dure-void")
VALIDATING = (
    "dure-accounts",
    "dure-claims",
    "dure-devices",
    "dure-endings",
    "dure-endpoints",
    "dure-environment",
    "dure-events",
    "dure-fence-api",
    "dure-fence-reconciler",
    "dure-hosts",
    "dure-jobs",
    "dure-managed",
    "dure-namespaces",
    "dure-placement",
    "dure-scheduling",
    "dure-services",
    "dure-subresources",
    "dure-tokens",
)
"""The chart's policies; each has a binding of its own name."""
