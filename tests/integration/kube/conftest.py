"""A real Kubernetes for the tests here."""

from tests.cluster.fixtures import cluster, control_planes, namespace, pytest_collection_modifyitems, real_cluster

__all__ = ["cluster", "control_planes", "namespace", "pytest_collection_modifyitems", "real_cluster"]
