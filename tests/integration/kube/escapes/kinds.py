"""Where objects of a kind are in the API."""

from collections.abc import Mapping
from typing import Any

PLURALS = {
    "Pod": "pods",
    "ConfigMap": "configmaps",
    "Secret": "secrets",
    "Service": "services",
    "Endpoints": "endpoints",
    "Event": "events",
    "ServiceAccount": "serviceaccounts",
    "ResourceQuota": "resourcequotas",
    "LimitRange": "limitranges",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "PersistentVolume": "persistentvolumes",
    "ReplicationController": "replicationcontrollers",
    "Namespace": "namespaces",
    "Deployment": "deployments",
    "ReplicaSet": "replicasets",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
    "Job": "jobs",
    "CronJob": "cronjobs",
    "NetworkPolicy": "networkpolicies",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "EndpointSlice": "endpointslices",
    "ResourceClaim": "resourceclaims",
    "ResourceClaimTemplate": "resourceclaimtemplates",
    "DeviceClass": "deviceclasses",
    "PriorityClass": "priorityclasses",
    "RuntimeClass": "runtimeclasses",
}

VERSIONS = {
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
    "Job": "batch/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "RoleBinding": "rbac.authorization.k8s.io/v1",
}
"""Of kinds that are named without their version; all others of those are `v1`."""

CLUSTERS = {
    "Namespace",
    "PersistentVolume",
    "ClusterRole",
    "ClusterRoleBinding",
    "DeviceClass",
    "PriorityClass",
    "RuntimeClass",
}
"""Those that are in no namespace."""


def collection(made: Mapping[str, Any], namespace: str) -> str:
    """The path to which the object is posted."""
    return path(made["kind"], made["apiVersion"], namespace)


def named(reference: str, namespace: str) -> str:
    """The path of KIND/NAME."""
    kind, _, name = reference.partition("/")
    return f"{path(kind, VERSIONS.get(kind, 'v1'), namespace)}/{name}"


def path(kind: str, version: str, namespace: str) -> str:
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    inside = "" if kind in CLUSTERS else f"/namespaces/{namespace}"
    return f"{root}{inside}/{PLURALS[kind]}"
