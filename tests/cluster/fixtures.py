"""Fixtures for tests on a real Kubernetes. A `conftest.py` imports those that its tests ask for, and the hook."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import servers
from tests.cluster import binaries, real_node
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import ControlPlane
from tests.cluster.sharing import shared

BUILDING_S = 3600
"""How long a test may take that has to build the binaries first."""


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One that all tests of this run share: have your own company, namespaces and nodes in it, and break nothing.

    It has one plain node. What your test makes outside a namespace of its own, such as nodes, it takes away.
    """
    _needs(binaries.CONTROL_PLANE)
    with shared(_meeting(tmp_path_factory), "simulated") as found:
        yield found


@pytest.fixture(scope="session")
def real_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One with a real node, `kinds.REAL`, that all tests of this run share. Its images are those of `images.py`."""
    _needs(binaries.CONTROL_PLANE + binaries.REAL_NODE)
    try:
        real_node.refuse()
    except real_node.CannotHere as why:
        pytest.skip(f"no real node: {why}")
    with shared(_meeting(tmp_path_factory), "real") as found:
        yield found


@pytest.fixture
def control_planes() -> Iterator[Callable[..., ControlPlane]]:
    """Starts control planes of this test's own, by `ControlPlane`'s keywords: to count calls, or to break something."""
    _needs(binaries.CONTROL_PLANE)
    with ExitStack() as stack:

        def start(**options) -> ControlPlane:
            folder = stack.enter_context(servers.folder("cluster"))
            return stack.enter_context(ControlPlane(folder, **options))

        yield start


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A fresh namespace of the shared cluster, no company's. It goes after the test, in its own time."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    cluster.api.post("/api/v1/namespaces", json={"metadata": {"name": name}}).raise_for_status()
    yield name
    cluster.api.delete(f"/api/v1/namespaces/{name}").raise_for_status()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Building the binaries, once on a machine, takes longer than any test may."""
    asking = [
        item for item in items if {"cluster", "real_cluster", "control_planes"} & set(getattr(item, "fixturenames", ()))
    ]
    if asking and binaries.missing():
        for item in asking:
            item.add_marker(pytest.mark.timeout(BUILDING_S))


def _needs(names: tuple[str, ...]) -> None:
    try:
        binaries.ensure(names)
    except binaries.NoBinaries as why:
        pytest.skip(str(why))


def _meeting(factory: pytest.TempPathFactory) -> Path:
    """A folder that the workers of this run have in common, and no other run."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
