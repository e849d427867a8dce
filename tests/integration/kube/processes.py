"""A scheduler as a process of its own, beside a database and a cluster: to be killed."""

import os
import sys
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.children import Child
from deploy.local.postgres import tail
from scheduler.kube.clusters import ClusterAddress
from scheduler.store.db import Database
from tests import ports
from tests.cluster import daemons
from tests.cluster.certificates import HOST

TREE = Path(__file__).resolve().parents[3]


class Process:
    """`python -m scheduler`, as the chart runs it. Dies with the thread that starts it: start it in one that stays."""

    def __init__(self, database: Database, address: ClusterAddress, folder: Path) -> None:
        """`folder` has its log."""
        (port,) = ports.free(1)
        self._metrics = f"http://{HOST}:{port}/metrics"
        settings = {
            "DURE_DATABASE_URL": database.url,
            "DURE_SCHEDULER_PORT": str(port),
            "DURE_SCHEDULER_CLUSTERS": f"{address.name}={address.kubeconfig}",
        }
        command = (*daemons.BOUND, sys.executable, "-m", "scheduler")
        # What an image of tests may forbid, and what makes a start quick.
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        log = folder / f"scheduler-{port}.log"
        self._child = Child("scheduler", command, environ={**kept, **settings}, folder=TREE, log=log)

    def __enter__(self) -> "Process":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        self._child.launch()

    def leads(self) -> bool:
        """As it says itself."""
        return self.value("dure_leader") == 1

    def runs(self) -> bool:
        return self._child.pid is not None

    def kill(self) -> None:
        """SIGKILL: it says nothing to anybody any more. Does nothing where it does not run."""
        if self._child.pid is not None:
            daemons.kill(self._child)

    def value(self, name: str, **labels: str) -> float | None:
        """Of its metrics; None while it does not answer."""
        try:
            said = httpx.get(self._metrics, timeout=30).raise_for_status().text
        except httpx.TransportError:
            return None
        samples = (sample for family in text_string_to_metric_families(said) for sample in family.samples)
        return next((one.value for one in samples if one.name == name and one.labels == labels), None)

    def said(self) -> str:
        """The last of its log."""
        return tail(self._child.log, 40)
