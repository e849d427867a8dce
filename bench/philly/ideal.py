"""What everybody would have had: weighted max-min of the pool, worked out afterwards and from first principles.

At each instant of a replay a company wants what it runs and what it waits for. The ideal pours the whole pool over the
companies like water, each as wide as its shares and as high as it wants: every GPU is given as if boxes could be cut at any
second. A company is backlogged while it wants more than that gives it. Nothing of the scheduler's own is used here.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter

from bench.philly.trace import CompanyJob

STRETCH_S = 24 * 3600
TOLERANCE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A time in which a job ran: when it, or what was left of it, had been asked for, and when it was to start at the latest."""

    job: CompanyJob
    asked: int
    promised: int
    start: int
    end: int
    spot: bool = False

    @property
    def gpu_seconds(self) -> int:
        return self.job.processors * (self.end - self.start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """From `at` on each company ran so many GPUs, and had asked for so many more that had not started."""

    at: int
    runs: Mapping[str, int]
    waits: Mapping[str, int]

    def wants(self, company: str) -> int:
        return self.runs.get(company, 0) + self.waits.get(company, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """A company's time in which it was backlogged, put together: GPU-seconds that it had, and that were its ideal.

    `worst` is by how much the worst stretch of it, of `STRETCH_S` at least, is off beyond `TOLERANCE` of its ideal, in
    GPU-seconds; 0 where none is that long.
    """

    company: str
    seconds: int
    had: float
    ideal: float
    worst: float

    @property
    def off(self) -> float:
        """The part of its ideal by which it had more or less."""
        return self.had / self.ideal - 1 if self.ideal else 0.0


def moments(stretches: Iterable[Stretch]) -> Iterator[Moment]:
    """What everybody ran and waited for, from one change to the next; at the last nobody does any more."""
    edges: list[tuple[int, str, int, int]] = []
    for one in stretches:
        company, gpus = one.job.company, one.job.processors
        edges += [(one.asked, company, 0, gpus), (one.start, company, gpus, -gpus), (one.end, company, -gpus, 0)]
    runs, waits = Counter[str](), Counter[str]()
    for at, changes in groupby(sorted(edges), key=itemgetter(0)):
        for _, company, run, wait in changes:
            runs[company] += run
            waits[company] += wait
        yield Moment(at=at, runs=dict(runs), waits=dict(waits))


def poured(gpus: float, shares: Mapping[str, int], wants: Mapping[str, float]) -> dict[str, float]:
    """The water's level rises until the pool is empty or everybody has what they want."""
    level, left = 0.0, gpus
    thirsty = {company for company, want in wants.items() if want > 0}
    had = dict.fromkeys(wants, 0.0)
    while thirsty and left > 1e-9:
        width = sum(shares[company] for company in thirsty)
        step = min(left / width, min(wants[company] / shares[company] for company in thirsty) - level)
        level, left = level + step, left - step * width
        for company in thirsty:
            had[company] = level * shares[company]
        thirsty = {company for company in thirsty if wants[company] / shares[company] > level + 1e-12}
    return had


def backlogs(found: Sequence[Moment], shares: Mapping[str, int], gpus: int) -> list[Backlog]:
    """Of each company, the one with the fewest shares first, in a pool of so many GPUs."""
    rows: dict[str, list[tuple[int, float, float]]] = {company: [] for company in shares}
    for moment, after in pairwise(found):
        seconds = after.at - moment.at
        wants = {company: float(moment.wants(company)) for company in shares}
        ideal = poured(gpus, shares, wants)
        for company in shares:
            if wants[company] > ideal[company] + 1e-6:
                rows[company].append((seconds, moment.runs.get(company, 0), ideal[company]))
    order = sorted(shares, key=lambda company: (shares[company], company))
    return [_backlog(company, rows[company]) for company in order]


def _backlog(company: str, rows: Sequence[tuple[int, float, float]]) -> Backlog:
    """`rows` has how long each stretch between two moments is, and what was had and ideal in it."""
    return Backlog(
        company=company,
        seconds=sum(seconds for seconds, _, _ in rows),
        had=sum(seconds * had for seconds, had, _ in rows),
        ideal=sum(seconds * ideal for seconds, _, ideal in rows),
        worst=max(_worst(rows, 1), _worst(rows, -1)),
    )


def _worst(rows: Sequence[tuple[int, float, float]], sign: int) -> float:
    """The most by which any stretch is above the ideal, or with `sign` -1 below it, and the tolerance: as the difference
    of two running sums it is the highest one less the lowest that is `STRETCH_S` before it.
    """
    sums, clock = [(0, 0.0)], 0
    worst, lowest, first = 0.0, float("inf"), 0
    for seconds, had, ideal in rows:
        clock += seconds
        sums.append((clock, sums[-1][1] + seconds * (sign * (had - ideal) - TOLERANCE * ideal)))
        while first < len(sums) and sums[first][0] <= clock - STRETCH_S:
            lowest = min(lowest, sums[first][1])
            first += 1
        worst = max(worst, sums[-1][1] - lowest)
    return worst
