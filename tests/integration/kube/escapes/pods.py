"""How many GPUs a pod takes, as the cluster's scheduler counts them."""

from collections.abc import Iterable, Mapping
from typing import Any

from kubernetes.utils.quantity import parse_quantity

PLAIN = ("cpu", "memory", "ephemeral-storage")


def gpus(pod: Mapping[str, Any]) -> int:
    """The largest of its phases: each init container with the sidecars before it, then all containers with all sidecars."""
    spec = pod["spec"]
    sidecars = largest = 0
    for container in spec.get("initContainers") or []:
        if container.get("restartPolicy") == "Always":
            sidecars += asked(container)
            largest = max(largest, sidecars)
        else:
            largest = max(largest, sidecars + asked(container))
    return max(largest, sidecars + sum(asked(container) for container in spec["containers"]))


def asked(container: Mapping[str, Any]) -> int:
    """By one container, of whatever extended resource."""
    resources = container.get("resources") or {}
    both: Iterable[Mapping[str, Any]] = (resources.get("limits") or {}, resources.get("requests") or {})
    return max(sum(int(parse_quantity(amount)) for name, amount in each.items() if is_gpu(name)) for each in both)


def is_gpu(resource: str) -> bool:
    return resource not in PLAIN and not resource.startswith("hugepages-")


def containers(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    spec = pod["spec"]
    return [each for part in ("containers", "initContainers", "ephemeralContainers") for each in spec.get(part) or []]
