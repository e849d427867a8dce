"""A running Dure with something of everything in it, and the Prometheus that scrapes it."""

from collections.abc import Iterator

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.fixtures import cluster, pytest_collection_modifyitems
from tests.integration.kube.chart import charted
from tests.integration.monitoring.dashboards.load import Load, load

__all__ = ["charted", "cluster", "pytest_collection_modifyitems"]


@pytest.fixture(scope="module")
def loaded(charted: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Load]:
    with load(charted, tmp_path_factory.mktemp("dashboards")) as running:
        yield running
