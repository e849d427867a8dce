"""What a replay of the Philly asks found: the whole in a row, and a row a company and a width, each beside EASY."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.figures import median, times
from bench.philly.trace import CompanyJob, Trace
from bench.replay.metrics import Outcome, bounded_slowdown, broken, mean, utilisation
from bench.results import Row, Value

WIDTHS = ((1, "1 GPU"), (4, "2 to 4"), (8, "5 to 8"), (1 << 30, "over 8"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """Every job beside EASY's start of it; `never_fit` are larger than the nodes, or than what a company may hold."""

    trace: Trace
    gpus: int
    never_fit: Sequence[CompanyJob]
    jobs: Sequence[CompanyJob]
    outcomes: Sequence[Outcome]
    easy_starts: Sequence[int]
    counted_starts: Sequence[int] | None
    """EASY's where GPUs are counted and lie on no nodes; None with a quota or a gap, which it does not know."""
    decisions_per_s: float

    @property
    def starts(self) -> list[int]:
        return [outcome.start for outcome in self.outcomes]


def figures(found: Replayed) -> dict[str, Value]:
    """Slack is how much sooner than first promised a job started."""
    late = broken(found.outcomes)
    slack = [outcome.first_promised - outcome.start for outcome in found.outcomes]
    ours, theirs = _slowdown(found.jobs, found.starts), _slowdown(found.jobs, found.easy_starts)
    wait, easy_wait = _wait(found.jobs, found.starts), _wait(found.jobs, found.easy_starts)
    return {
        "jobs": len(found.jobs),
        "jobs_that_never_fit": len(found.never_fit),
        "jobs_unusable": len(found.trace.unusable),
        "companies": len({job.company for job in found.jobs}),
        "promises_broken": len(late),
        "worst_lateness_s": max(late, default=0),
        "mean_bounded_slowdown": ours,
        "easy_mean_bounded_slowdown": theirs,
        "ratio_to_easy": times(ours, theirs),
        "easy_counting_gpus_mean_bounded_slowdown": _counted(found),
        "mean_wait_s": wait,
        "easy_mean_wait_s": easy_wait,
        "mean_slack_s": mean(slack),
        "median_slack_s": float(median(slack)),
        "utilisation": utilisation(found.jobs, found.starts, found.gpus),
        "easy_utilisation": utilisation(found.jobs, found.easy_starts, found.gpus),
        "decisions_per_s": found.decisions_per_s,
    }


def _counted(found: Replayed) -> Value:
    return "" if found.counted_starts is None else _slowdown(found.jobs, found.counted_starts)


def classes(found: Replayed) -> list[Row]:
    """How long each company and each width waits, beside EASY; a class that nobody is in has no row."""
    widths = [name for _, name in WIDTHS]
    rows = [_row(found, "company", name, lambda job: job.company) for name in found.trace.companies]
    rows += [_row(found, "width", name, _width) for name in widths]
    return [row for row in rows if row["jobs"]]


def _width(job: CompanyJob) -> str:
    return next(name for most, name in WIDTHS if job.processors <= most)


def _row(found: Replayed, kind: str, name: str, of: Callable[[CompanyJob], str]) -> Row:
    mine = [k for k, job in enumerate(found.jobs) if of(job) == name]
    jobs = [found.jobs[k] for k in mine]
    ours, theirs = [found.outcomes[k].start for k in mine], [found.easy_starts[k] for k in mine]
    wait, easy_wait = _wait(jobs, ours), _wait(jobs, theirs)
    return {
        "by": kind,
        "class": name,
        "jobs": len(mine),
        "wait_s": wait,
        "easy_wait_s": easy_wait,
        "x easy_wait": times(wait, easy_wait) if easy_wait else "",
        "slowdown": _slowdown(jobs, ours),
        "easy_slowdown": _slowdown(jobs, theirs),
    }


def _wait(jobs: Sequence[CompanyJob], starts: Sequence[int]) -> float:
    return mean([start - job.submit for job, start in zip(jobs, starts, strict=True)])


def _slowdown(jobs: Sequence[CompanyJob], starts: Sequence[int]) -> float:
    return mean([bounded_slowdown(job, start) for job, start in zip(jobs, starts, strict=True)])


def warnings(found: Trace, never_fit: Sequence[CompanyJob]) -> list[str]:
    """What a reader of the figures should know of the trace."""
    said = [f"job {job.id} asks for {job.processors} GPUs and never fits" for job in never_fit]
    return [*_some(list(found.unusable)), *_some(said)]


def _some(said: list[str], most: int = 10) -> list[str]:
    left = len(said) - most
    return [*said[:most], *([f"and {left} more that are left out like it, {len(said)} in all"] if left > 0 else [])]
