"""Who waits: by how wide a job is of its machine, and by how long it runs, beside what EASY does to the same class."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bench.replay import metrics
from bench.replay.swf import Job

if TYPE_CHECKING:
    from bench.replay.__main__ import Replay

Row = dict[str, str | int | float]
Of = Callable[[Job], str]

WIDTHS = ((0.01, "to 1 %"), (0.1, "to 10 %"), (0.3, "to 30 %"), (1.0, "over 30 %"))
LENGTHS = ((600, "to 10 min"), (3600, "to 1 h"), (6 * 3600, "to 6 h"), (1 << 60, "over 6 h"))


def table(found: "Replay") -> list[Row]:
    """A row a class: how many, mean wait and bounded slowdown, EASY's, and the ratio of the waits."""
    of_width: Of = lambda job: next(name for most, name in WIDTHS if job.processors <= most * found.log.processors)  # noqa: E731
    of_length: Of = lambda job: next(name for most, name in LENGTHS if job.run_s <= most)  # noqa: E731
    rows = [_row(found, "wide", name, of_width) for _, name in WIDTHS]
    return rows + [_row(found, "long", name, of_length) for _, name in LENGTHS]


def _row(found: "Replay", kind: str, name: str, of: Of) -> Row:
    mine = [k for k, outcome in enumerate(found.outcomes) if of(outcome.job) == name]
    jobs = [found.outcomes[k].job for k in mine]
    ours, theirs = [found.outcomes[k].start for k in mine], [found.easy_starts[k] for k in mine]
    wait, easy_wait = _wait(jobs, ours), _wait(jobs, theirs)
    return {
        "class": f"{kind} {name}",
        "jobs": len(mine),
        "wait_s": wait,
        "easy_wait_s": easy_wait,
        "x easy_wait": wait / easy_wait if easy_wait else 0.0,
        "slowdown": metrics.mean([metrics.bounded_slowdown(job, at) for job, at in zip(jobs, ours, strict=True)]),
        "easy_slowdown": metrics.mean(
            [metrics.bounded_slowdown(job, at) for job, at in zip(jobs, theirs, strict=True)]
        ),
    }


def _wait(jobs: Sequence[Job], starts: Sequence[int]) -> float:
    return metrics.mean([start - job.submit for job, start in zip(jobs, starts, strict=True)])


def shown(found: "Replay") -> str:
    """The same for people."""
    rows = table(found)
    lines = ["  ".join(f"{name:>14}" for name in rows[0])]
    lines += ["  ".join(_cell(value) for value in row.values()) for row in rows]
    return "\n".join(lines)


def _cell(value: str | int | float) -> str:
    return f"{value:>14.3g}" if isinstance(value, float) else f"{value:>14}"
