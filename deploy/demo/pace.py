"""How fast this machine and the cluster were while the demo played: whether what came late came late for want of speed."""

from dataclasses import dataclass, field
from statistics import median

BUSY = 2.0
"""Times as much to do as there are cores: from here on what is to take a second takes several."""

ANSWERS_S = 1.0
"""A list of pods that takes longer comes from a cluster, or over a machine, that is too slow for leases of seconds."""


@dataclass
class Pace:
    """What each look at the pods saw, whatever the pods were."""

    cores: int
    loads: list[float] = field(default_factory=list[float])
    """Of the last minute, with ours in it."""
    answers_s: list[float] = field(default_factory=list[float])
    """How long kubectl took to list the pods."""

    def saw(self, *, load: float, answered_in_s: float) -> None:
        self.loads.append(load)
        self.answers_s.append(answered_in_s)

    @property
    def slow(self) -> bool:
        """Most of the time too slow for leases of seconds."""
        return bool(self.loads) and (self._load > BUSY * self.cores or self._answer_s > ANSWERS_S)

    def __str__(self) -> str:
        if not self.loads:
            return "nothing was looked at"
        cores = "1 core" if self.cores == 1 else f"{self.cores} cores"
        return (
            f"at the median a load of {self._load:.1f} on {cores}, and {self._answer_s:.1f} s until kubectl had listed the "
            f"pods, {max(self.answers_s):.1f} s at the most"
        )

    @property
    def _load(self) -> float:
        return median(self.loads)

    @property
    def _answer_s(self) -> float:
        return median(self.answers_s)
