"""The kinds of cluster that tests share."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.cluster import nodes
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import ControlPlane
from tests.cluster.real_node import real_node

PLAIN = "plain-1"
"""The one node without GPUs and taint, where pods that ask for none run."""


@contextmanager
def simulated(folder: Path) -> Iterator[Cluster]:
    """A control plane and one plain node; tests add nodes with GPUs, and take them away."""
    with ControlPlane(folder) as plane:
        nodes.add(plane.cluster, [nodes.node(PLAIN, gpus=0, taint=False)])
        yield plane.cluster


REAL = "real-1"
"""The one real node, with four simulated GPUs."""


@contextmanager
def real(folder: Path) -> Iterator[Cluster]:
    """A control plane and one real node."""
    with ControlPlane(folder) as plane, real_node(plane.cluster, REAL):
        yield plane.cluster


KINDS: dict[str, Callable[[Path], AbstractContextManager[Cluster]]] = {"simulated": simulated, "real": real}
