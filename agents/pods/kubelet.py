"""The kubelet's record of who has which GPU, asked over its PodResources socket."""

import re
from pathlib import Path

from agents.pods import messages
from agents.pods.call import CallFailed, call
from agents.pods.messages import Given, Unreadable
from agents.snapshot import Holder

TIMEOUT_S = 2.0
METHOD = "/v1.PodResourcesLister/List"

MOST = 4096
"""So many holders are told of a node; 1024 GPUs, the most that a report has, in four shares each."""

_GPU = re.compile(r"((?:GPU|MIG)-[0-9A-Za-z./-]{1,90})(?:::[0-9]+)?", re.ASCII)
"""A device id of NVIDIA's device plugin: a UUID, and a number behind it where several containers share the GPU."""


def ask(path: Path, *, timeout_s: float = TIMEOUT_S) -> tuple[Holder, ...] | str:
    """Every container that has a GPU, in the kubelet's order; or why it cannot be told, in a sentence."""
    try:
        return holders(messages.read(call(path, METHOD, timeout_s=timeout_s)))
    except CallFailed as error:
        return str(error)
    except Unreadable as error:
        return f"the kubelet's answer cannot be read: {error}"


def holders(given: tuple[Given, ...]) -> tuple[Holder, ...]:
    """Each container and GPU once. What is no GPU's id is passed over: it is a device of another kind."""
    found = {
        Holder(
            gpu=match[1], namespace=one.namespace, pod=one.pod, container=one.container, resource=one.resource[:200]
        ): None
        for one in given
        for device in one.devices
        if (match := _GPU.fullmatch(device)) and one.namespace and one.pod and one.container
    }
    return tuple(found)[:MOST]
