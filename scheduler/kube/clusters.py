"""The clusters that a process is told of by its settings: a name, and where its credentials come from."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator

IN_CLUSTER = "in-cluster"
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod has its account's token, and the certificate of its cluster."""
EXAMPLE = "main=/etc/dure/kubeconfig#admin,edge=in-cluster"

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterAddress:
    """A cluster as pools name it, and the kubeconfig that leads to it: its current context where none is said.

    Without a kubeconfig it is the cluster that this process itself runs in, by its pod's own account, whose files are in `account`.
    """

    name: str
    kubeconfig: str | None = None
    context: str | None = None
    account: Path = ACCOUNT


def parse(value: object) -> object:
    """Of a setting such as `EXAMPLE`. Raises ValueError, which says what is wrong and gives the example."""
    if not isinstance(value, str):
        return value
    found = [_one(part.strip()) for part in value.split(",") if part.strip()]
    if len({one.name for one in found}) < len(found):
        raise ValueError(f"a cluster is named twice; each is named once, for example {EXAMPLE}")
    if sum(one.kubeconfig is None for one in found) > 1:
        raise ValueError(f"this process runs in one cluster; {IN_CLUSTER} is said once, for example {EXAMPLE}")
    return tuple(found)


def _one(said: str) -> ClusterAddress:
    name, is_said, where = said.partition("=")
    if not is_said or not where or not _NAME.fullmatch(name):
        raise ValueError(
            f"{said!r} is no cluster: say its name (a-z, 0-9, -) and its kubeconfig, for example {EXAMPLE}"
        )
    if where == IN_CLUSTER:
        return ClusterAddress(name=name)
    path, _, context = where.partition("#")
    return ClusterAddress(name=name, kubeconfig=path, context=context or None)


Clusters = Annotated[tuple[ClusterAddress, ...], BeforeValidator(parse)]
"""Of a setting."""

DESCRIPTION = f"Kubernetes clusters that enforce leases, by the names that pools call them, for example {EXAMPLE}"
