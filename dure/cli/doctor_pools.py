"""dure doctor's look at what Dure's API knows: namespaces of its companies, and nodes of the pools that this cluster enforces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dure.cli.doctor_looks import listed, looked
from dure.cli.terminal import Terminal
from dure.kube import COMPANY_KEY

if TYPE_CHECKING:
    from dure import wire
    from dure.client import Client
    from dure.doctoring import Finding
    from dure.kubectl import Kubectl


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What the API said; `cluster` is which one this is, `clusters` those that it is told of, `nodes` those by pool whose agents
    show its GPUs.
    """

    companies: "Sequence[wire.Company]"
    pools: "Sequence[wire.Pool]"
    cluster: str | None
    clusters: Sequence[str]
    nodes: Mapping[str, set[str]]


def findings(
    terminal: Terminal, kubectl: "Kubectl", cluster: str | None, taint_key: str, silent: str | None
) -> "list[Finding]":
    """Of the cluster that is said; else of that whose address the kubeconfig has, or the only one that pools name. `silent` says why
    the API is not asked.
    """
    from dure.config import ConfigError
    from dure.doctoring import Finding
    from dure.errors import DureError

    known = None
    try:
        if silent is None:
            with terminal.looking() as client:
                known = _ask(client, kubectl, cluster)
    except (ConfigError, DureError) as error:
        silent = f"Dure's API does not say which there are: {error}"
    names = None if known is None else [one.name for one in known.companies]
    found = looked("namespaces", lambda: _namespaces(kubectl, names))
    if known is None:
        return [*found, Finding(check="pools", ok=None, said=silent or "", essential=False)]
    return found + _of_pools(kubectl, known, taint_key)


def _of_pools(kubectl: "Kubectl", known: _Known, taint_key: str) -> "list[Finding]":
    from dure import doctoring

    pools = known.pools
    left = doctoring.left_out(pools, known.cluster) or doctoring.nobody_names(pools, known.cluster, known.clusters)
    if left is not None:
        return [left, *doctoring.unserved(pools)]
    mine = [one for one in pools if one.cluster and known.cluster in (None, one.cluster)]
    found = looked("pools", lambda: doctoring.pools(mine, listed(kubectl, "nodes"), taint_key, known.nodes))
    return found + doctoring.unserved(pools)


def _ask(client: "Client", kubectl: "Kubectl", cluster: str | None) -> _Known:
    """Raises DureError."""
    companies, pools = list(client.companies()), list(client.pools())
    named = sorted({one.cluster for one in pools if one.cluster})
    if cluster is None and len(named) > 1:
        cluster = _by_address(client, kubectl, companies, named)
    told = _told_of(client) if cluster is not None and cluster not in named else []
    nodes = _nodes(client) if named else {}
    return _Known(companies=companies, pools=pools, cluster=cluster, clusters=told, nodes=nodes)


def _nodes(client: "Client") -> dict[str, set[str]]:
    """By pool, those whose agents show its GPUs; none where that may not be seen."""
    from dure.errors import DureError

    found: dict[str, set[str]] = {}
    try:
        for node in client.nodes():
            for pool in {gpu.pool for gpu in node.gpus if gpu.pool}:
                found.setdefault(pool, set()).add(node.name)
    except DureError:
        return {}
    return found


def _told_of(client: "Client") -> list[str]:
    """The clusters that the scheduler is told of; none where that may not be seen."""
    from dure import wire
    from dure.errors import DureError

    try:
        return [one.name for one in client.clusters() if one.state is not wire.ClusterState.UNKNOWN]
    except DureError:
        return []


def _by_address(
    client: "Client", kubectl: "Kubectl", companies: "Sequence[wire.Company]", named: Sequence[str]
) -> str | None:
    """The cluster that people reach at the address in the kubeconfig; the API says the addresses to any open company."""
    from dure.doctoring import is_same_address
    from dure.kube_objects import at, each
    from dure.kubectl import Failed

    company = next((one.name for one in companies if one.closed_at is None), None)
    try:
        found = each(kubectl.json("config", "view", "--minify", "--output=json"), "clusters")
    except Failed:
        return None
    server = str(at(found[0], "cluster", "server")) if found else ""
    names = named if company is not None and server else ()
    return next((name for name in names if is_same_address(_address(client, company, name), server)), None)


def _address(client: "Client", company: str | None, cluster: str) -> str:
    """Empty where the API is told of no such cluster."""
    from dure.errors import DureError

    try:
        return client.kube_access(company=company, cluster=cluster).server
    except DureError:
        return ""


def _namespaces(kubectl: "Kubectl", companies: "list[str] | None") -> "list[Finding]":
    from dure import doctoring

    called = f"--field-selector=metadata.name={COMPANY_KEY}"
    keys = listed(kubectl, "rolebindings.rbac.authorization.k8s.io", "--all-namespaces", called)
    return doctoring.namespaces(listed(kubectl, "namespaces"), keys, companies)
