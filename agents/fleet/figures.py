"""What a fleet did in a while, for the line that it logs."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Figures:
    """`late_s` sums how long after its time each sample was taken, `worst_s` is the longest. `failed` are reports that broke a thread's
    turn, which none should. `skipped`: samples that were left out, as the next was due already.
    """

    began: float
    cpu_began: float
    samples: int = 0
    skipped: int = 0
    late_s: float = 0.0
    worst_s: float = 0.0
    failed: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    def sampled(self, late_s: float, skipped: int) -> None:
        self.samples += 1
        self.skipped += skipped
        self.late_s += late_s
        self.worst_s = max(self.worst_s, late_s)

    def told(self, *, nodes: int, sample_s: float, now: float, cpu: float) -> dict[str, object]:
        """As fields of a log line. `cpu_us_a_node_second` is processor time, for each second of a node that was sampled."""
        seconds = max(now - self.began, 1e-9)
        sampled_s = max(1, self.samples) * sample_s
        return {
            "seconds": round(seconds, 1),
            "nodes": nodes,
            "samples": self.samples,
            "skipped": self.skipped,
            "late_ms": round(self.late_s / max(1, self.samples) * 1000, 2),
            "worst_late_ms": round(self.worst_s * 1000, 1),
            "reports": dict(self.outcomes),
            "failed": self.failed,
            "cores": round((cpu - self.cpu_began) / seconds, 3),
            "cpu_us_a_node_second": round((cpu - self.cpu_began) / sampled_s * 1e6, 1),
        }
