"""`python -m bench replay LOG`: every job of a log asks the real core for a promise; what was promised, and what came of it."""

import argparse
import csv
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.replay import classes, easy, metrics, swf
from bench.replay.drive import FOR_EVER_S, Drive
from bench.replay.metrics import Outcome
from bench.replay.swf import BadLog, Job, Log
from dure import times
from scheduler.core.model import PPM, Policy
from scheduler.core.rules import LATE_SLOTS, RULES

SLACK = {"exact": 0.05, "asked": 0.5}
"""What an ask may be promised later than its earliest start, as a part of its box, where nothing else is said."""

HEADER = ("id", "submit", "promised_start", "first_promised_start", "start", "end", "gpus")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One log replayed: its jobs beside EASY's starts of them, and how long our deciding took."""

    log: Log
    never_fit: Sequence[Job]
    outcomes: Sequence[Outcome]
    easy_starts: Sequence[int]
    decisions_per_s: float


def main(words: Sequence[str] | None = None) -> int:
    """0; 1 where a promise was broken; 2 with a sentence for a log or an option that is wrong."""
    wanted = _arguments(words)
    try:
        log = swf.read(Path(wanted.log))
    except BadLog as error:
        print(f"bench replay: {error}", file=sys.stderr)
        return 2
    _tell(log)
    found = replay(log, wanted.boxes, _policy(wanted))
    if wanted.schedule:
        write(Path(wanted.schedule), found.outcomes)
    figures = summary(found) | {"log": log.name, "boxes": wanted.boxes, "rule": wanted.rule, "slack": _slack(wanted)}
    if wanted.json:
        print(json.dumps(figures | ({"classes": classes.table(found)} if wanted.classes else {}), indent=1))
    else:
        for name, value in figures.items():
            print(f"{name:30} {value:.4g}" if isinstance(value, float) else f"{name:30} {value}")
        if wanted.classes:
            print(classes.shown(found))
    return 1 if figures["promises_broken"] else 0


def replay(log: Log, boxes: str, policy: Policy) -> Replay:
    """Replays the jobs that the machine could ever hold."""
    jobs = [job for job in log.jobs if job.processors <= log.processors]
    boxes_s = [max(1, job.run_s) if boxes == "exact" else job.asked_s for job in jobs]
    drive = Drive.of(jobs, boxes_s, log.processors, policy)
    began = time.perf_counter()
    outcomes = drive.run()
    took_s = time.perf_counter() - began
    return Replay(
        log=log,
        never_fit=[job for job in log.jobs if job.processors > log.processors],
        outcomes=outcomes,
        easy_starts=easy.schedule(jobs, log.processors, boxes_s),
        decisions_per_s=drive.decisions / took_s if took_s else 0.0,
    )


def summary(found: Replay) -> dict[str, int | float | str]:
    """The figures of a replay; slack is how much sooner than first promised a job started."""
    jobs = [outcome.job for outcome in found.outcomes]
    broken = metrics.broken(found.outcomes)
    slack = [outcome.first_promised - outcome.start for outcome in found.outcomes]
    ours = metrics.mean([metrics.bounded_slowdown(outcome.job, outcome.start) for outcome in found.outcomes])
    theirs = metrics.mean([metrics.bounded_slowdown(job, at) for job, at in zip(jobs, found.easy_starts, strict=True)])
    return {
        "jobs": len(jobs),
        "jobs_that_never_fit": len(found.never_fit),
        "jobs_unusable": len(found.log.unusable),
        "promises_broken": len(broken),
        "worst_lateness_s": max(broken, default=0),
        "mean_bounded_slowdown": ours,
        "easy_mean_bounded_slowdown": theirs,
        "ratio_to_easy": ours / theirs if theirs else 0.0,
        "mean_slack_s": metrics.mean(slack),
        "median_slack_s": metrics.median(slack),
        "utilisation": metrics.utilisation(jobs, [found_.start for found_ in found.outcomes], found.log.processors),
        "easy_utilisation": metrics.utilisation(jobs, found.easy_starts, found.log.processors),
        "decisions_per_s": found.decisions_per_s,
    }


def write(path: Path, outcomes: Sequence[Outcome]) -> None:
    """The schedule as CSV, a row a job, all in seconds."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(HEADER)
        for found in outcomes:
            job = found.job
            rows.writerow(
                (job.id, job.submit, found.promised, found.first_promised, found.start, found.end, job.processors)
            )


def _tell(log: Log) -> None:
    """What a reader of the figures should know of the log."""
    never = [job for job in log.jobs if job.processors > log.processors]
    said = list(log.unusable[:20])
    said += [
        f"job {job.id} asks for {job.processors} of {log.processors} processors and never fits" for job in never[:20]
    ]
    if log.disorder is not None:
        said.append(f"{log.disorder}; the jobs were sorted")
    left = len(log.unusable) + len(never) - len(said) + (log.disorder is not None)
    for line in [*said, *([f"and {left} more that are left out"] if left > 0 else [])]:
        print(f"bench replay: {line}", file=sys.stderr)


def _slack(wanted: argparse.Namespace) -> float:
    return SLACK[wanted.boxes] if wanted.slack is None else wanted.slack


def _policy(wanted: argparse.Namespace) -> Policy:
    part, over_s = wanted.reserve or (0.0, 0)
    return Policy(
        version="replay",
        horizon_s=FOR_EVER_S,
        gap_s=0,
        rule=wanted.rule,
        slack_ppm=round(_slack(wanted) * PPM),
        reserve_ppm=round(part * PPM),
        reserve_over_s=over_s,
        seniority_s=wanted.seniority,
    )


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench replay", description=__doc__)
    parser.add_argument("log", help="a file in the Standard Workload Format, .gz too")
    parser.add_argument(
        "--boxes", choices=sorted(SLACK), required=True, help="exact: the true run time; asked: the requested time"
    )
    parser.add_argument("--rule", choices=sorted(RULES), default=LATE_SLOTS)
    parser.add_argument(
        "--slack", type=_part, help="part of its box by which an ask may be promised later (0.05 exact, 0.5 asked)"
    )
    parser.add_argument(
        "--reserve", type=_reserve, metavar="RX:RL", help="close RX of the pool to boxes over RL, for example 0.02:1h"
    )
    parser.add_argument("--seniority", type=_seconds, metavar="S", help="who waited longer goes first, for example 2d")
    parser.add_argument("--schedule", metavar="OUT.csv", help="write the schedule there")
    parser.add_argument("--classes", action="store_true", help="wait and slowdown by width and length, beside EASY's")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(words)


def _part(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is no part of a box: give a number from 0 on, for example 0.05")
    return found


def _seconds(text: str) -> int:
    if text.isdigit():
        return int(text)
    try:
        return times.parse_duration(text)
    except times.TimeError as error:
        raise argparse.ArgumentTypeError(f"{error}") from None


def _reserve(text: str) -> tuple[float, int]:
    part, colon, over = text.partition(":")
    if not colon or not 0 <= _part(part) < 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no reserve: give a part of the pool and a length, for example 0.02:1h"
        )
    return _part(part), _seconds(over)


if __name__ == "__main__":
    sys.exit(main())
