"""One plan of a whole queue, theirs or ours."""

from dataclasses import dataclass

from bench.results import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many jobs waited to be placed, and for how many seconds it was worked at that.

    `busy_s` are the processor seconds of who planned: without those that other processes on a busy machine took from
    him. `load` is the machine's as it began.
    """

    who: str
    what: str
    jobs: int
    seconds: float
    busy_s: float
    load: float

    def row(self) -> Row:
        return {
            "who": self.who,
            "what": self.what,
            "seconds": self.seconds,
            "processor s": self.busy_s,
            "jobs": self.jobs,
            "ms a job": self.seconds / self.jobs * 1000,
            "load": self.load,
        }
