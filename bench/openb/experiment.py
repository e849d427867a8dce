"""The experiment: each mix, each policy, several seeds; a row of means for each, beside best fit and what was published."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, pstdev

import numpy as np

from bench import machine
from bench.figures import times
from bench.openb import published, trace
from bench.openb.arrivals import FIRST_SEED
from bench.openb.choice import BEST_FIT, FGD, OURS, RANDOM
from bench.openb.learning import Learning
from bench.openb.run import Run, run
from bench.openb.stranding import HEADROOM, Mix, mix_of
from bench.openb.trace import GPUS, Cluster, Table
from bench.results import Result, Row
from scheduler.core.fragmentation import GRAIN

POLICIES: Mapping[str, int] = {"random": RANDOM, "bestfit": BEST_FIT, "fgd": FGD, "ours": OURS}

FGD_KEPT = 95
FGD_GRAIN = 1_000_000
"""FGD's measure as published: no limit by CPU or memory but for one ask, the kinds that make up 95 % of all tasks, as good as
exact, since its score rounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is run. All but the first four change our own measure, to see what each of them gives.

    By itself ours knows nothing beforehand and learns the mix as tasks arrive, as the product does. `known` is the mix of
    the whole list from the start, as FGD has it, or, with a `sample`, that of so many asks drawn apart from those that
    arrive; `kept` is of such a mix.
    """

    mixes: Sequence[str]
    policies: Sequence[str] = tuple(POLICIES)
    arrivals: int = 130
    seeds: int = 10
    known: bool = False
    sample: int = 0
    kept: int = 100
    headroom: int = HEADROOM
    grain: int = GRAIN


def measure(openb: Path, setting: Setting) -> Result:
    """Everything in one process, one run after the other; the compiler's time is in none of them."""
    described = machine.described()
    cluster = trace.cluster(openb)
    rows = [row for mix in setting.mixes for row in _rows(openb, cluster, mix, setting)]
    asked: Row = {
        "arrivals": setting.arrivals,
        "seeds": setting.seeds,
        "known": setting.known,
        "sample": setting.sample,
        "kept": setting.kept,
        "headroom": setting.headroom,
        "grain": setting.grain,
        "nodes": len(cluster.gpus),
        "cluster_gpus": int(cluster.gpus.sum()),
    }
    return Result(measure="openb", settings=asked, machine=described, rows=rows)


def _rows(openb: Path, cluster: Cluster, mix: str, setting: Setting) -> Iterable[Row]:
    tasks = trace.tasks(openb, mix, cluster.models)
    runs = {policy: _runs(cluster, tasks, policy, setting) for policy in setting.policies}
    last = setting.arrivals
    floor = fmean(each.unallocated(last) for each in runs["bestfit"]) if "bestfit" in runs else None
    for policy, found in runs.items():
        at_last = [each.unallocated(last) for each in found]
        row: dict[str, str | int | float] = {"mix": mix, "policy": policy}
        for percent in sorted({min(100, last), last}):
            row[f"% free at {percent}"] = fmean(each.unallocated(percent) for each in found)
            row[f"published at {percent}"] = _or_none(published.unallocated(openb, mix, policy, percent))
        row["deviation"] = pstdev(at_last)
        row["x bestfit"] = _or_none(times(fmean(at_last), floor) if floor else None)
        row["placements a second"] = sum(each.placed for each in found) / sum(each.wall_s for each in found)
        yield row


def _runs(cluster: Cluster, tasks: Table, policy: str, setting: Setting) -> list[Run]:
    seeds = range(FIRST_SEED, FIRST_SEED + setting.seeds)
    weights = [_weights(tasks, policy, setting, seed) for seed in seeds]
    # Compiled by a run that is not counted.
    run(cluster, tasks[:1], weights[0], POLICIES[policy], 1, FIRST_SEED)
    return [run(cluster, tasks, weights[k], POLICIES[policy], setting.arrivals, seed) for k, seed in enumerate(seeds)]


def _weights(tasks: Table, policy: str, setting: Setting, seed: int) -> Mix | Learning:
    if policy == "ours" and not setting.known:
        return Learning(headroom=setting.headroom, grain=setting.grain)
    if policy == "fgd":
        # FGD knows no memory in its measure, and weighs tasks without GPUs too: to them every free GPU is stranded.
        without = tasks.copy()
        without[:, trace.MEMORY] = 0
        return mix_of(without, kept=FGD_KEPT, headroom=0, grain=FGD_GRAIN)
    asks = tasks[tasks[:, GPUS] > 0]
    if setting.sample:
        asks = asks[np.random.default_rng((seed, setting.sample)).integers(len(asks), size=setting.sample)]
    return mix_of(asks, kept=setting.kept, headroom=setting.headroom, grain=setting.grain)


def _or_none(value: float | None) -> str | float:
    return "-" if value is None else value
