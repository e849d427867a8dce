"""Whether a cluster is fit to enforce anything: new enough, and with the chart's policies in force."""

import re

from dure import kube
from scheduler.kube.connection import Connection, Refused

OLDEST = (1, 36)
"""From then on the API server mutates by policies without a switch."""

_POLICIES = "/apis/admissionregistration.k8s.io/v1"


def version(connection: Connection) -> str:
    """What the API server calls itself, for example `v1.37.2`. Raises Refused, Away."""
    return str(connection.get("/version").get("gitVersion", ""))


def unfit(connection: Connection, found: str) -> str | None:
    """Why the cluster cannot enforce leases, and what would make it. Raises Refused, Away.

    Without the gate's policy every pod would run where it likes, and what runs there would be ended: so nothing is begun.
    """
    number = re.match(r"v?(\d+)\.(\d+)", found)
    if number is None or tuple(map(int, number.groups())) < OLDEST:
        return f"the cluster is Kubernetes {found or 'of no known version'}; 1.36 or newer is needed"
    for kind, name in (
        ("mutatingadmissionpolicies", kube.GATE_POLICY),
        ("mutatingadmissionpolicybindings", kube.GATE_POLICY),
    ):
        try:
            connection.get(f"{_POLICIES}/{kind}/{name}")
        except Refused as error:
            if error.status != 404:
                raise
            return f"{kind} {name} is not there: install the chart (deploy/helm/dure), without which nothing keeps pods at the gate"
    return None
