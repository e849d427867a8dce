"""A real Kubernetes for the tests here, and a Dure with its reconciler on it."""

from collections.abc import Iterator

import pytest

from scheduler.store.db import Database
from tests.cluster.cluster import Cluster
from tests.cluster.fixtures import cluster, control_planes, namespace, pytest_collection_modifyitems, real_cluster
from tests.integration.kube.chart import charted
from tests.integration.kube.stand import Stand, soon, stand

__all__ = ["charted", "cluster", "control_planes", "namespace", "pytest_collection_modifyitems", "real_cluster"]


@pytest.fixture
def acme(database: Database, cluster: Cluster) -> Iterator[Stand]:
    """Enforced for a company that has its namespace already."""
    with stand(database, cluster) as made, made.loop():
        soon(made.has_key, "the company's namespace and key")
        yield made
