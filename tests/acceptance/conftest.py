"""The whole of Dure, its real processes and a real PostgreSQL, for tests that play with all of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.store.db import Database
from tests import servers
from tests.acceptance.real import Real, real
from tests.acceptance.stack import Stack
from tests.cluster.cluster import Cluster
from tests.cluster.fixtures import cluster, pytest_collection_modifyitems, real_cluster
from tests.cluster.sharing import alone
from tests.integration.kube.chart import charted

__all__ = ["charted", "cluster", "pytest_collection_modifyitems", "real_cluster", "running"]


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    """Two nodes of four GPUs with agents that report every 0.3 s, on a PostgreSQL that tests may stop and start.

    It takes longer to start than most tests take, so it is that of a module, and each test leaves it whole.
    """
    with servers.folder("stack") as folder, Stack(folder, nodes=2, gpus=4) as stack:
        stack.start()
        yield stack


@pytest.fixture
def acme(database: Database, real_cluster: Cluster, tmp_path: Path) -> Iterator[Real]:
    """Enforced on a real node, which no other test uses meanwhile."""
    with alone(real_cluster), real(database, real_cluster, tmp_path) as made:
        yield made
