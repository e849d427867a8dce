"""From what a GPU said of itself to `ok | suspect | unhealthy`. A sick GPU is granted to nobody.

Only XIDs after which no new work can run are here, as NVIDIA's XID catalogue describes them. A verdict stands until the
agent starts anew, which comes after the reset or the repair that each of them asks for.
"""

from collections.abc import Mapping
from dataclasses import replace

from agents.snapshot import GpuSnapshot, Health, Sample

FATAL_XIDS: Mapping[int, str] = {
    48: "double-bit ECC error; reset the GPU",
    64: "a row could not be remapped; reset the GPU, then have it replaced",
    79: "the GPU has fallen off the bus; restart the node",
    95: "uncontained memory error; reset the GPU",
    119: "the GPU's system processor does not answer; reset the GPU",
    120: "the GPU's system processor failed; reset the GPU",
    140: "unrecovered memory error; reset the GPU",
}


def judge(*, last_fatal_xid: int | None, trouble: str | None) -> tuple[Health, str | None]:
    """The health of a GPU that answers, with its reason. `trouble` is an error the driver gave for a plain reading."""
    if last_fatal_xid is not None:
        return "unhealthy", f"XID {last_fatal_xid}: {FATAL_XIDS[last_fatal_xid]}"
    if trouble is not None:
        return "suspect", trouble
    return "ok", None


GONE = {
    "lost": "the GPU is lost: it has fallen off the bus",
    "reset_required": "the GPU must be reset before it can be used",
}


class Judging:
    """A stage of the sampler: gives each GPU of a sample its health."""

    def __init__(self) -> None:
        self._fatal: dict[str, int] = {}

    def __call__(self, sample: Sample, before: Sample | None) -> Sample:
        for one in sample.snapshot.xids:
            if one.xid in FATAL_XIDS:
                self._fatal.setdefault(one.gpu, one.xid)
        return replace(sample, snapshot=sample.snapshot.but(self._judged))

    def _judged(self, gpu: GpuSnapshot) -> GpuSnapshot:
        if gpu.lost is not None:
            return replace(gpu, health="unhealthy", health_reason=GONE[gpu.lost])
        health, reason = judge(last_fatal_xid=self._fatal.get(gpu.parent or gpu.uuid), trouble=gpu.trouble)
        return replace(gpu, health=health, health_reason=reason)
