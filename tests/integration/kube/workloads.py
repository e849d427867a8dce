"""Workloads as companies write them, each pod asking for so many GPUs."""

from typing import Any

from dure import kube


def template(gpus: int, app: str, **more: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "none", "resources": {"limits": {kube.DEFAULT_RESOURCE: str(gpus)}}}
    spec = {"terminationGracePeriodSeconds": 2, "containers": [container], **more}
    return {"metadata": {"labels": {"app": app}}, "spec": spec}


def job(name: str, gpus: int, **more: Any) -> dict[str, Any]:
    """One pod; it runs until it is ended, and is made again then."""
    spec = {"backoffLimit": 100, "template": template(gpus, name, restartPolicy="Never"), **more}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def indexed_job(name: str, gpus: int, *, pods: int, **more: Any) -> dict[str, Any]:
    """A gang: so many pods at once."""
    return job(name, gpus, completionMode="Indexed", completions=pods, parallelism=pods, **more)


def deployment(name: str, gpus: int, *, replicas: int) -> dict[str, Any]:
    """For serving: a new version takes the old one's GPUs, as there are no others."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "template": template(gpus, name),
        },
    }


def stateful_set(name: str, gpus: int, *, replicas: int) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "serviceName": name,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": {"app": name}},
            "template": template(gpus, name),
        },
    }


def jobset_pod(name: str, gpus: int) -> dict[str, Any]:
    """A pod as JobSet labels it."""
    made = template(gpus, name)
    labels = {"jobset.sigs.k8s.io/jobset-name": "set", "jobset.sigs.k8s.io/replicatedjob-name": "workers"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": made["spec"]}
