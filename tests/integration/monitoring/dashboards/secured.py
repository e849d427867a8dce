"""A second API on the same database that speaks TLS, as the first of a local stack does not: it has a certificate to tell of."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from deploy.local.children import Child
from tests import ports
from tests.acceptance.stack import TREE, Stack
from tests.cluster import daemons
from tests.monitoring.prometheus import Prometheus
from tests.receiver import CERTIFICATE

JOB = "dure-api-tls"


@contextmanager
def secured(running: Stack, watching: Prometheus, folder: Path) -> Iterator[Child]:
    """It is scraped once it is ready, which nobody waits for here."""
    (port,) = ports.free(1)
    environ = {
        **os.environ,
        "DURE_DATABASE_URL": running.postgres.url("dure"),
        "DURE_API_PORT": str(port),
        "DURE_API_TLS_CERTIFICATE": str(CERTIFICATE),
        "DURE_API_TLS_KEY": str(CERTIFICATE),
    }
    command = (*daemons.BOUND, sys.executable, "-m", "api")
    child = Child(JOB, command, environ=environ, folder=TREE, log=folder / f"{JOB}.log")
    child.launch()
    try:
        _watch(watching, port)
        yield child
    finally:
        daemons.kill(child)


def _watch(watching: Prometheus, port: int) -> None:
    path = watching.folder / "prometheus.yml"
    config = yaml.safe_load(path.read_text())
    job = {"job_name": JOB, "scheme": "https", "tls_config": {"insecure_skip_verify": True}}
    config["scrape_configs"].append({**job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]})
    path.write_text(yaml.safe_dump(config))
    watching.http.post("/-/reload").raise_for_status()
