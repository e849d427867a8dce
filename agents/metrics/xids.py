"""How often each GPU told of each XID since this agent started: a stage of the sampler, since an XID is told once."""

from collections import Counter
from collections.abc import Mapping

from agents.metrics.series import MOST_XIDS
from agents.snapshot import Sample

OTHER = "other"


class XidCounts:
    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}

    def __call__(self, sample: Sample, before: Sample | None) -> Sample:
        for one in sample.snapshot.xids:
            counts = self._counts.setdefault(one.gpu, Counter())
            counts[str(one.xid) if str(one.xid) in counts or len(counts) < MOST_XIDS else OTHER] += one.times
        return sample

    def of(self, gpu: str) -> Mapping[str, int]:
        """By XID, of a physical GPU."""
        return dict(self._counts.get(gpu, {}))
