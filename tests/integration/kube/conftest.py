"""A real Kubernetes for the tests here."""

from tests.cluster.fixtures import cluster, control_planes, namespace, pytest_collection_modifyitems, real_cluster
from tests.integration.kube.chart import charted

__all__ = ["charted", "cluster", "control_planes", "namespace", "pytest_collection_modifyitems", "real_cluster"]
