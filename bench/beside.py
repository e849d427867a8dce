"""`python -m bench slurm`: Debian's Slurm and we, one after the other in one run.

What either of us did is kept as soon as it is measured, and what fails takes nothing else with it. Both are given the same
asks in the same order: some fill the nodes exactly, so the same others wait, are planned and are quoted beside.
"""

import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from bench import compared, machine, results
from bench.gangs import GPUS_PER_NODE, Load, load
from bench.ours.grants import ours_grants
from bench.ours.planning import ours_plan
from bench.ours.quotes import ours_quotes
from bench.ours.truth import ours_truth
from bench.results import Result, Row
from bench.sizes import Size
from bench.slurm import cluster, launches, packages, planning, quotes, submissions, truth
from bench.slurm.cluster import Cluster
from bench.slurm.truth import Probe
from scheduler import warming

CLOUD, REAL = "cloud", "real"
Measured = Iterable[tuple[str, list[Row], Row]]
"""Of which measure, its rows, and what else is to be known of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Something that is measured by itself, on so many nodes."""

    name: str
    nodes: int
    measured: Callable[[], Measured]


def run(size: Size, on: Collection[str] = (CLOUD, REAL)) -> int:
    """On the nodes that never boot, on the real ones, or on both; 1 where a part failed. Installs Slurm if it must.

    Raises SlurmMissing.
    """
    described = {"slurm": packages.ensure(), **machine.described()}
    warming.warm()
    parts = [*(_on_cloud(size) if CLOUD in on else ()), *(_on_real(size) if REAL in on else ())]
    return one_by_one(parts, described)


def one_by_one(parts: Iterable[Part], described: Row) -> int:
    """Keeps what each part yields at once, says at the end how both sides compare; 1 where a part failed."""
    began = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    kept: dict[str, Result] = {}
    failed: list[str] = []
    for part in parts:
        try:
            for measure, rows, notes in part.measured():
                settings = {"run": began, "nodes": part.nodes, "gpus": part.nodes * GPUS_PER_NODE}
                kept[measure] = Result(measure=measure, settings=settings, machine=described, rows=rows, notes=notes)
                print(f"{results.table(kept[measure])}\nkept in {results.keep(kept[measure])}\n", flush=True)
        except Exception as trouble:  # noqa: BLE001 - whatever ended it, the others are measured
            failed.append(part.name)
            print(
                f"bench slurm: {part.name} failed: {type(trouble).__name__}: {trouble}\n", file=sys.stderr, flush=True
            )
    if rows := compared.rows({name: result.rows for name, result in kept.items()}):
        print(results.table(Result(measure="slurm", settings={"run": began}, machine={}, rows=rows)), flush=True)
    if failed:
        print(f"bench slurm: not measured whole: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _on_cloud(size: Size) -> Iterator[Part]:
    """The short ones first."""
    gpus = size.nodes * GPUS_PER_NODE
    asks = load(gpus=gpus, waiting=size.pending)
    queue: Row = {"holding": len(asks.held), "pending": len(asks.waiting)}

    def plan() -> Measured:
        yield "slurm-plan-ours", [one.row() for one in ours_plan(asks, nodes=size.nodes, runs=size.replans)], queue

    def grants() -> Measured:
        yield "slurm-grants-ours", [one.row() for one in ours_grants(asks, gpus=gpus, clients=size.threads)], queue

    def quoted() -> Measured:
        yield "slurm-quotes-ours", [one.row() for one in ours_quotes(asks.asks, gpus=gpus, count=size.quotes)], queue

    yield Part(name="our plan", nodes=size.nodes, measured=plan)
    yield Part(name="our grants", nodes=size.nodes, measured=grants)
    yield Part(name="our quotes", nodes=size.nodes, measured=quoted)
    yield Part(name="Slurm on nodes that never boot", nodes=size.nodes, measured=lambda: _slurm_on_cloud(size, asks))


def _slurm_on_cloud(size: Size, asks: Load) -> Measured:
    with cluster.cloud(nodes=size.nodes, interval_s=size.cloud_interval_s) as peer:
        idle = [line.row() for line in quotes.idle(peer.holding, count=size.quotes)]
        yield "slurm-grants-theirs", [line.row() for line in submissions.fill(peer.holding, asks)], _queue(peer)
        yield "slurm-plan-theirs", [plan.row() for plan in planning.plans(peer, count=size.plans)], _queue(peer)
        before = _queue(peer)
        full = [line.row() for line in quotes.full(peer.holding, count=size.quotes)]
        yield "slurm-quotes-theirs", [*idle, *full], before


def _on_real(size: Size) -> Iterator[Part]:
    def pairs() -> Measured:
        yield "slurm-truth-ours", [ours_truth(nodes=size.real_nodes, count=size.pairs, shortened=size.shortened)], {}

    yield Part(name="our truth", nodes=size.real_nodes, measured=pairs)
    yield Part(name="Slurm on real nodes", nodes=size.real_nodes, measured=lambda: _slurm_on_real(size))


def _slurm_on_real(size: Size) -> Measured:
    probed: dict[str, list[Probe]] = {}
    for seed in size.queues:
        with cluster.real(nodes=size.real_nodes, interval_s=size.real_interval_s) as peer:
            if not probed:
                yield "slurm-launches-theirs", [launches.launches(peer, count=size.launches).row()], {}
            truth.fill(peer.holding, count=size.held, seed=seed)
            queue = _queue(peer)
            name = f"{queue['holding']} running, {queue['pending']} waiting"
            probed[name] = list(truth.probes(peer.holding, count=size.probes, seed=seed))
    everything = [probe for probes in probed.values() for probe in probes]
    yield "slurm-truth-theirs", [truth.row(*one) for one in (*probed.items(), ("all", everything))], {}


def _queue(peer: Cluster) -> Row:
    return {"holding": peer.holding.jobs("RUNNING", "CONFIGURING"), "pending": peer.holding.jobs("PENDING")}
