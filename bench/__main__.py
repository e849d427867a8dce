"""`python -m bench [MEASURE]`: measures one thing, or all of ours at moderate length, prints tables and keeps them as JSON.

`slurm` is for itself: it installs Debian's Slurm where it is missing, and takes most of an hour. So are `replay`, `philly` and
`openb`, with options of their own (`--help`): they replay traces that are not in this tree.
So is `scale`, which makes a year of a thousand companies first: five minutes; and `agent`, which needs a C compiler and, to compare with,
Debian's node_exporter. `enforced` starts a Kubernetes, which it builds where it is missing.
`kept` lives a day, makes a year of it, and says what that takes on disk: a quarter of an hour.
`page` writes docs/performance.md from what was kept.
"""

import argparse
import signal
import sys
from collections.abc import Callable

from bench import (
    agent,
    ask,
    beside,
    cli,
    faults,
    intake,
    lateness,
    reports,
    results,
    scale,
    scrape,
    simulated,
    sizes,
    spot,
    year,
)
from bench.kept import cli as kept
from bench.page import cli as page
from bench.philly import cli as philly
from bench.replay import __main__ as replay
from bench.results import Result
from bench.slurm.packages import SlurmMissing

EVERYTHING = "all"
ALONE = ("scale", "agent")
"""What `all` leaves out."""


def main() -> int:
    """0; 130 when interrupted, with every process ended; what the others say of themselves."""
    if sys.argv[1:2] == ["replay"]:
        return replay.main(sys.argv[2:])
    if sys.argv[1:2] == ["openb"]:
        return _openb(sys.argv[2:])
    if sys.argv[1:2] == ["philly"]:
        return philly.main(sys.argv[2:])
    if sys.argv[1:2] == ["page"]:
        return page.main(sys.argv[2:])
    if sys.argv[1:2] == ["enforced"]:
        return _enforced(sys.argv[2:])
    if sys.argv[1:2] == ["kept"]:
        return kept.main(sys.argv[2:])
    wanted = _arguments()
    _stop_when_told()
    if wanted.measure == "slurm":
        return beside.run(sizes.QUICK if wanted.quick else sizes.WHOLE, wanted.on)
    for result in (measure() for measure in _measures(wanted)):
        print(results.table(result), flush=True)
        print(f"kept in {results.keep(result)}\n", flush=True)
    return 0


def _openb(arguments: list[str]) -> int:
    from bench.openb import cli as openb
    from bench.openb.trace import Unreadable

    try:
        return openb.main(arguments)
    except Unreadable as trouble:
        sys.exit(f"bench openb: {trouble}")


def _enforced(arguments: list[str]) -> int:
    from bench import enforced

    parser = argparse.ArgumentParser(prog="python -m bench enforced", description=enforced.__doc__)
    parser.add_argument("--starts", type=int, default=200, help="leases that start within a minute")
    parser.add_argument("--ends", type=int, default=1000, help="leases that end within a minute")
    parser.add_argument("--nodes", type=int, default=500, help="simulated nodes of 8 GPUs")
    parser.add_argument("--pods", type=int, default=2000, help="pods at the gate while it is idle")
    wanted = parser.parse_args(arguments)
    _stop_when_told()
    for result in enforced.measure(starts=wanted.starts, ends=wanted.ends, count=wanted.nodes, pods=wanted.pods):
        print(results.table(result), flush=True)
        print(f"kept in {results.keep(result)}\n", flush=True)
    return 0


def _stop_when_told() -> None:
    """With every process ended, also by `kill` and `timeout`."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


def _interrupt(*_: object) -> None:
    # A second one would cut the ending of the processes short.
    for every in (signal.SIGINT, signal.SIGTERM):
        signal.signal(every, signal.SIG_IGN)
    raise KeyboardInterrupt


def _measures(wanted: argparse.Namespace) -> list[Callable[[], Result]]:
    found: dict[str, list[Callable[[], Result]]] = {
        "cli": [lambda: cli.measure(runs=wanted.runs)],
        "ask": [lambda gpus=gpus: ask.measure(gpus=gpus, seconds=wanted.seconds) for gpus in wanted.gpus],
        "reports": [
            lambda: reports.measure(seconds=wanted.seconds),
            lambda: intake.measure(seconds=wanted.seconds * 15),
        ],
        "faults": [lambda: faults.measure(faults=wanted.faults)],
        "year": [lambda: year.measure(leases=wanted.history, runs=wanted.runs)],
        "spot": [lambda: spot.measure(runs=wanted.runs)],
        "scrape": [lambda: scrape.measure(runs=wanted.runs)],
        "scale": [lambda: scale.measure(history=wanted.history, companies=wanted.companies, pairs=wanted.pairs)],
        "agent": [agent.measure],
        "fleet": [lambda: simulated.measure(seconds=wanted.seconds)],
        "lateness": [lambda: lateness.measure(leases=wanted.leases, within_s=wanted.within)],
    }
    if wanted.measure == EVERYTHING:
        return [measure for name, each in found.items() if name not in ALONE for measure in each]
    return found[wanted.measure]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    everything = parser.add_argument
    everything(
        "measure",
        nargs="?",
        default=EVERYTHING,
        choices=[
            EVERYTHING,
            "ask",
            "reports",
            "faults",
            "lateness",
            "cli",
            "year",
            "spot",
            "scrape",
            "scale",
            "agent",
            "fleet",
            "slurm",
        ],
    )
    everything("--gpus", type=int, nargs="+", default=[100, 10_000], help="ask: sizes of the pool")
    everything("--seconds", type=float, default=4.0, help="ask, reports, fleet: how long each line is measured")
    everything("--leases", type=int, default=1000, help="lateness: how many one-GPU leases")
    everything("--within", type=int, default=60, help="lateness: seconds over which their starts are spread")
    everything("--faults", type=int, default=100, help="faults: how many XIDs of each kind")
    everything("--runs", type=int, default=10, help="cli, year, spot, scrape: how often each is measured")
    everything("--history", type=int, default=100_000, help="year, scale: how many leases there were")
    everything("--companies", type=int, default=1000, help="scale: how many companies the largest pool has")
    everything("--pairs", type=int, default=300, help="scale: how often each call is made on each pool")
    nodes = [beside.CLOUD, beside.REAL]
    everything("--on", nargs="+", default=nodes, choices=nodes, help="slurm: nodes that never boot, or real slurmds")
    everything("--quick", action="store_true", help="slurm: a tenth of it, in under two minutes")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SlurmMissing as missing:
        sys.exit(f"bench: {missing}")
    except KeyboardInterrupt:
        sys.exit(130)
