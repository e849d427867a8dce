"""`python -m bench openb`: repeats FGD's experiment on Alibaba's openb trace, with our placement beside the published ones."""

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import machine, results
from bench.openb import experiment, trace
from bench.openb.experiment import POLICIES, Setting

DATA = machine.TREE.parent / "shared" / "data"
EVERY = "all"


def main(arguments: Sequence[str]) -> int:
    """0 with the table, or the JSON, on standard output; raises `Unreadable` where the trace is not there or not right."""
    wanted = _parser().parse_args(arguments)
    openb = trace.folder(wanted.data)
    setting = Setting(
        mixes=trace.mixes(openb) if EVERY in wanted.mix else wanted.mix,
        policies=wanted.policy,
        arrivals=wanted.arrivals,
        seeds=wanted.seeds,
        known=wanted.known,
        sample=wanted.sample,
        kept=wanted.kept,
        headroom=wanted.headroom,
        grain=wanted.grain,
    )
    result = experiment.measure(openb, setting)
    kept = results.keep(result)
    print((machine.TREE / kept).read_text() if wanted.json else f"{results.table(result)}\nkept in {kept}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench openb", description=__doc__)
    says = parser.add_argument
    says("--mix", nargs="+", default=["default"], help=f"names of task lists (default: default), or {EVERY}")
    says("--policy", nargs="+", default=list(POLICIES), choices=POLICIES, help="default: all four")
    says(
        "--arrivals", type=_within(10, 1000), default=130, help="per cent of all GPUs that are asked for (default 130)"
    )
    says("--seeds", type=_within(1, 1000), default=10, help="runs of each policy, from seed 42 on (default 10)")
    says(
        "--data",
        type=Path,
        default=_data(),
        help="the folder that holds openb/ (default: DURE_DATA, or ../shared/data)",
    )
    says("--json", action="store_true", help="the result as JSON")
    ours = Setting(mixes=())
    says("--known", action="store_true", help="ours: the mix of the whole list is known beforehand, as FGD has it")
    says("--sample", type=_within(0, 1_000_000), default=0, help="with --known: that of so many asks drawn apart")
    says("--kept", type=_within(1, 100), default=ours.kept, help="with --known: per cent of asks whose kinds are kept")
    says("--headroom", type=_within(0, 10_000), default=ours.headroom, help="ours: per cent; 0 is no limit, as FGD")
    says("--grain", type=_within(1, 100_000), default=ours.grain, help="ours: parts of a GPU that are counted")
    return parser


def _data() -> Path:
    return Path(os.environ.get("DURE_DATA") or DATA)


def _within(least: int, most: int) -> Callable[[str], int]:
    def number(value: str) -> int:
        if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
            raise argparse.ArgumentTypeError(f"{value!r} is not a whole number from {least} to {most}")
        return int(value)

    return number
