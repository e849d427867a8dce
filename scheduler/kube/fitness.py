"""Whether a cluster is fit to enforce anything: new enough, and with the chart's policies in force as they were shipped."""

import re
from dataclasses import dataclass

from dure import kube
from dure.kube_policies import POLICIES, REGISTRATION, Drift, drifted, off
from scheduler.kube.connection import Connection, Refused

OLDEST = (1, 36)
"""From then on the API server mutates by policies without a switch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitness:
    """`unfit` is why the cluster cannot enforce leases, and what would make it; `alarms` are what else somebody changed."""

    unfit: str | None = None
    alarms: tuple[str, ...] = ()


def version(connection: Connection) -> str:
    """What the API server calls itself, for example `v1.37.2`. Raises Refused, Away."""
    return str(connection.get("/version").get("gitVersion", ""))


def look(connection: Connection, found: str) -> Fitness:
    """Of a cluster of that version. Raises Refused, Away.

    Without the gate's policy every pod would run where it likes, and what runs there would be ended: so nothing is begun. The
    others bound what tenants try beside their leases: that one is missing is an alarm, and no reason to stop everybody's work.
    """
    number = re.match(r"v?(\d+)\.(\d+)", found)
    if number is None or tuple(map(int, number.groups())) < OLDEST:
        return Fitness(unfit=f"the cluster is Kubernetes {found or 'of no known version'}; 1.36 or newer is needed")
    try:
        listed = {kind: _listed(connection, kind) for kind in POLICIES}
    except Refused as error:
        said = _off(connection) if error.status == 404 else None
        if said is None:
            raise
        return Fitness(unfit=said)
    drifts = [drift for kind, there in listed.items() for drift in drifted(kind, there)]
    gate = [one.said for one in drifts if _stops(one)]
    if gate:
        said = (
            f"{' and '.join(gate)}: install the chart (deploy/helm/dure), without which nothing keeps pods at the gate"
        )
        return Fitness(unfit=said)
    return Fitness(alarms=tuple(f"{one.said}: helm upgrade the chart" for one in drifts))


def _stops(drift: Drift) -> bool:
    return drift.name == kube.GATE_POLICY and drift.is_sure


def _off(connection: Connection) -> str | None:
    """Which kinds of policies are not served at all. Raises Refused, Away."""
    try:
        return off(connection.get(REGISTRATION))
    except Refused as error:
        if error.status == 404:
            return off(None)
        raise


def _listed(connection: Connection, kind: str) -> list[dict[str, object]]:
    return connection.get(f"{REGISTRATION}/{kind}").get("items") or []
