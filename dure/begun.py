"""Whether the cluster takes the pods of a Job that was just made; a Job itself is taken whatever becomes of its pods."""

from collections.abc import Callable

from dure.kube_objects import at
from dure.kubectl import Failed, Kubectl

TRIES = 5
"""A second apart; the Job's controller makes its pods within one, or says by an event what refused them."""

OVER_QUOTA = "exceeded quota"


def refusal(kubectl: Kubectl, uid: str, pods: int, sleep: Callable[[float], None]) -> str | None:
    """What the API server says against the pods; None where they are there, or nobody says anything within a few seconds."""
    for _ in range(TRIES):
        try:
            there = kubectl.objects(
                "get", "pods", "--output=json", f"--selector=batch.kubernetes.io/controller-uid={uid}"
            )
            said = None if len(there) >= pods else _said(kubectl, uid)
        except Failed:
            return None
        if len(there) >= pods or said is not None:
            return said
        sleep(1)
    return None


def _said(kubectl: Kubectl, uid: str) -> str | None:
    """By the last event that a pod of the Job could not be made; one of its name may have been there before."""
    about = f"--field-selector=involvedObject.uid={uid},reason=FailedCreate"
    messages = [str(at(one, "message")) for one in kubectl.objects("get", "events", "--output=json", about)]
    return messages[-1].removeprefix("Error creating: ") if messages else None
