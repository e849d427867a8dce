"""`python -m bench philly`: the jobs of Microsoft's Philly cluster ask for GPUs of one pool, each for its company.

Nodes have 8 GPUs, a box is as long as the job will run, and every ask goes to the scheduler's own core at its minute.
EASY backfilling on the same nodes, under the same quota and gap, is beside it, and EASY that only counts GPUs, as if they
were no nodes. They promise nothing.

With `--shares 1:10` the companies have shares from 1 to 10, in equal steps in the order of their names, and every instant
is contended. Beside what each then had in the time in which it was backlogged stands its weighted max-min, worked out
afterwards; EASY knows no shares and is left out. With `--spot` each company takes spot for what is beyond its share, and
asks again for what is left of a job that was preempted.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bench import data, machine, results
from bench.data import NoData
from bench.gangs import GPUS_PER_NODE
from bench.philly import easy, fairness, report, sharing, trace
from bench.philly.drive import NodesDrive
from bench.philly.report import Replayed
from bench.philly.shapes import shape
from bench.philly.trace import BadTrace, CompanyJob, Trace
from bench.replay import easy as counting
from bench.replay import options
from bench.replay.drive import FOR_EVER_S
from bench.results import Result, Row, Value
from dure import times
from scheduler import warming
from scheduler.core.contention import ALWAYS
from scheduler.core.model import PPM, Policy
from scheduler.core.rules import LATE_SLOTS, RULES

EXCERPT = Path("deploy") / "demo" / "philly" / "jobs.csv"
MOST_GPUS = 80_000
SLACK = 0.05
"""What an ask may be promised later than its earliest start, as a part of its box, where nothing else is said."""


def main(words: Sequence[str]) -> int:
    """0; 1 where a promise was broken; 2 with a sentence for a trace or an option that is wrong."""
    wanted = _options(words)
    try:
        found = trace.read(wanted.trace or _whole()).first(wanted.asks)
    except (BadTrace, NoData) as error:
        _say(str(error))
        return 2
    warming.warm()
    described = machine.described()
    figures, classes, settings = *_measured(found, wanted), _said(wanted, found)
    names = ("philly", "philly-classes") if wanted.shares is None else ("philly-shares", "philly-shares-companies")
    kept = [
        Result(measure=measure, settings=settings, machine=described, rows=rows)
        for measure, rows in zip(names, ([figures], classes), strict=True)
        if rows
    ]
    if wanted.json:
        print(json.dumps(settings | figures | {"classes": classes}, indent=1))
    else:
        for name, value in (settings | figures).items():
            print(f"{name:50}{value:,.4g}" if isinstance(value, float) else f"{name:50}{value}")
        print("".join(f"\n{results.table(result)}" for result in kept[1:]))
    _say("kept in " + " and ".join(str(results.keep(result)) for result in kept))
    return 1 if figures["promises_broken"] else 0


def _measured(found: Trace, wanted: argparse.Namespace) -> tuple[dict[str, Value], list[Row]]:
    """The figures, and a row each for the parts of them."""
    quota, policy = wanted.gpus * wanted.quota // 100, _policy(wanted)
    if wanted.shares is not None:
        jobs = [job for job in found.jobs if _fits(job.processors, wanted.gpus, quota)]
        shares = sharing.skewed(found.companies, *wanted.shares)
        shared = fairness.replay(
            jobs, gpus=wanted.gpus, quota=quota, policy=policy, shares=shares, notice_s=wanted.spot
        )
        return fairness.figures(shared), fairness.rows(shared)
    replayed = replay(found, gpus=wanted.gpus, quota=quota, policy=policy)
    for warning in (*wanted.notes, *report.warnings(found, replayed.never_fit)):
        _say(warning)
    return report.figures(replayed), report.classes(replayed)


def replay(found: Trace, *, gpus: int, quota: int, policy: Policy) -> Replayed:
    """Replays the jobs that could ever be held; a company may hold `quota` GPUs at once."""
    jobs = [job for job in found.jobs if _fits(job.processors, gpus, quota)]
    drive = NodesDrive.on(jobs, gpus=gpus, quota=quota, policy=policy)
    began = time.perf_counter()
    outcomes = drive.run()
    took_s = time.perf_counter() - began
    return Replayed(
        trace=found,
        gpus=gpus,
        never_fit=[job for job in found.jobs if not _fits(job.processors, gpus, quota)],
        jobs=jobs,
        outcomes=outcomes,
        easy_starts=easy.schedule(jobs, gpus=gpus, quota=quota, gap_s=policy.gap_s),
        counted_starts=_counted(jobs, gpus) if quota == gpus and not policy.gap_s else None,
        decisions_per_s=drive.decisions / took_s,
    )


def _counted(jobs: Sequence[CompanyJob], gpus: int) -> list[int]:
    return counting.schedule(jobs, gpus, [job.run_s for job in jobs])


def _fits(asked: int, gpus: int, quota: int) -> bool:
    return asked <= quota and shape(asked).nodes <= gpus // GPUS_PER_NODE


def _whole() -> Path:
    """Raises NoData."""
    try:
        return data.find(f"philly/{trace.TRACE}")
    except NoData as missing:
        raise NoData(f"{missing}, or name a trace; {EXCERPT} is an excerpt of it") from None


def _policy(wanted: argparse.Namespace) -> Policy:
    """No horizon: the trace knows none, so everything is promised a start."""
    slack_ppm = round(wanted.slack * PPM)
    plain = Policy(version="philly", horizon_s=FOR_EVER_S, gap_s=wanted.gap, rule=wanted.rule, slack_ppm=slack_ppm)
    if wanted.shares is None:
        return plain
    shared = replace(plain, contended=ALWAYS, half_life_s=wanted.half_life, entry_s=wanted.entry)
    return shared if wanted.spot is None else replace(shared, spot_least_s=wanted.spot_least)


def _said(wanted: argparse.Namespace, found: Trace) -> dict[str, Value]:
    """The options that make the figures what they are."""
    return {
        "trace": found.name,
        "asks": len(found.jobs),
        "gpus": wanted.gpus,
        "quota_percent": wanted.quota,
        "gap_s": wanted.gap,
        "rule": wanted.rule,
        "slack": wanted.slack,
    } | _shares_said(wanted)


def _shares_said(wanted: argparse.Namespace) -> dict[str, Value]:
    if wanted.shares is None:
        return {}
    said = {"shares": "{}:{}".format(*wanted.shares), "half_life_s": wanted.half_life, "entry_s": wanted.entry}
    return said if wanted.spot is None else said | {"spot_notice_s": wanted.spot, "spot_least_s": wanted.spot_least}


def _say(sentence: str) -> None:
    print(f"bench philly: {sentence}", file=sys.stderr, flush=True)


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench philly", description=__doc__)
    says = parser.add_argument
    says("trace", nargs="?", type=Path, help=f"default: philly/{trace.TRACE} in the folder of data, see DURE_DATA")
    says("--gpus", type=_gpus, default=1152, help=f"of the pool, on nodes of {GPUS_PER_NODE} (default: %(default)s)")
    says("--quota", type=_within(1, 100), default=100, help="per cent of them that a company may hold (default: all)")
    says("--gap", type=_seconds, default=0, help="between two leases on a GPU, for example 30s (default: none)")
    says("--slack", type=_slack, help=f"part of its box by which an ask may be promised later (default: {SLACK})")
    says("--rule", choices=sorted(RULES), default=LATE_SLOTS, help="(default: %(default)s)")
    says(
        "--shares",
        type=_shares,
        metavar="LOW:HIGH",
        help="of the companies, for example 1:10 (default: nobody has any)",
    )
    says("--half-life", type=_seconds, default=fairness.HALF_LIFE_S, help="of what was used, with --shares (default: %(default)s s)")  # fmt: skip
    says("--entry", type=_seconds, default=3600, help="so much of a box counts as it is granted, with --shares (default: %(default)s s)")  # fmt: skip
    says("--spot", type=_seconds, nargs="?", const=60, metavar="NOTICE", help="take spot too, with --shares: preempted with so long a notice (without one: %(const)s s)")  # fmt: skip
    says("--spot-least", type=_seconds, default=600, help="so long a spot lease runs at least before others may reclaim it, with --spot (default: %(default)s s)")  # fmt: skip
    says("--asks", type=_within(1, 10**7), help="only the first so many")
    says("--json", action="store_true", help="the figures as JSON")
    wanted = parser.parse_args(words)
    if wanted.spot is not None and wanted.shares is None:
        parser.error("--spot is for companies with shares: give --shares too")
    wanted.slack, wanted.notes = options.slack(wanted.rule, wanted.slack, SLACK)
    return wanted


def _within(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least:,} to {most:,}")
        return int(text)

    return number


def _gpus(text: str) -> int:
    found = _within(GPUS_PER_NODE, MOST_GPUS)(text)
    if found % GPUS_PER_NODE:
        raise argparse.ArgumentTypeError(f"{text} GPUs are no whole nodes of {GPUS_PER_NODE}")
    return found


def _slack(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is no part of a box: give a number from 0 to 1,000")
    return found


def _shares(text: str) -> tuple[int, int]:
    low, colon, high = text.partition(":")
    number = _within(1, 1000)
    if not colon or number(low) > number(high):
        raise argparse.ArgumentTypeError(f"{text!r} are no shares: give the least and the most, for example 1:10")
    return number(low), number(high)


def _seconds(text: str) -> int:
    """`30` is seconds too."""
    try:
        return 0 if text == "0" else times.parse_duration(f"{text}s" if text.isdecimal() else text)
    except times.TimeError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
