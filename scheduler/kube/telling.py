"""What a company is told about a pod, as its cluster's events are written."""

from scheduler.kube.actions import Json, Tell
from scheduler.kube.instants import written

LONGEST_MESSAGE = 1000
"""Of an event's message an API server takes a kilobyte."""


def path(action: Tell) -> str:
    """Where the events of the pod's namespace are made."""
    return f"/api/v1/namespaces/{_namespace(action)}/events"


def event(action: Tell, now: float) -> Json:
    """The event, which happened now."""
    name = action.path.split("/")[6]
    about = {"apiVersion": "v1", "kind": "Pod", "namespace": _namespace(action), "name": name, "uid": action.uid}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{name[:200]}.", "namespace": _namespace(action)},
        "involvedObject": about,
        "reason": action.reason,
        "message": action.message[:LONGEST_MESSAGE],
        "type": "Warning" if action.warning else "Normal",
        "source": {"component": "dure"},
        "reportingComponent": "dure.dev/reconciler",
        "firstTimestamp": written(now),
        "lastTimestamp": written(now),
        "count": 1,
    }


def _namespace(action: Tell) -> str:
    return action.path.split("/")[4]
