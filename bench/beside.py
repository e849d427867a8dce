"""`python -m bench slurm`: Debian's Slurm and we, one after the other in one run, each table as soon as it is whole.

First what is measured on nodes that never boot, theirs and ours; then, on real ones, whether quotes come true.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from bench import machine
from bench.gangs import GPUS_PER_NODE, gangs
from bench.lines import Line
from bench.ours.grants import ours_grants
from bench.ours.planning import ours_plan
from bench.ours.quotes import ours_quotes
from bench.ours.truth import ours_truth
from bench.plans import Plan
from bench.results import Result, Row
from bench.sizes import Size
from bench.slurm import cluster, launches, packages, planning, quotes, submissions, truth
from bench.slurm.cluster import Cluster
from bench.slurm.truth import Probe


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cloud:
    """What Slurm did on nodes that never boot. `queue` is what was held and what waited while it planned and quoted."""

    submitted: list[Line]
    plans: list[Plan]
    quoted: list[Line]
    queue: Row


CLOUD, REAL = "cloud", "real"


def measure(size: Size, on: Collection[str] = (CLOUD, REAL)) -> Iterator[Result]:
    """On the nodes that never boot, on the real ones, or on both. Installs Slurm if it must. Raises SlurmMissing."""
    described = {"slurm": packages.ensure(), **machine.described()}
    if CLOUD in on:
        yield from _beside_cloud(size, described)
    if REAL in on:
        yield from _on_real(size, described)
        pairs = [ours_truth(nodes=size.real_nodes, count=size.pairs, shortened=size.shortened)]
        yield Result(measure="slurm-truth-ours", settings=_nodes(size.real_nodes), machine=described, rows=pairs)


def _beside_cloud(size: Size, on: Row) -> Iterator[Result]:
    settings, asks = {**_nodes(size.nodes), "asks": size.asks}, gangs(size.asks)
    with cluster.cloud(nodes=size.nodes, interval_s=size.cloud_interval_s) as peer:
        theirs = _on_cloud(peer, size)
    gpus = size.nodes * GPUS_PER_NODE
    plans = list(ours_plan(asks, nodes=size.nodes, runs=size.replans))
    rows = [one.row(plans[0]) for one in (*plans, *theirs.plans)]
    yield Result(measure="slurm-plan", settings=settings, machine=on, rows=rows, notes=theirs.queue)
    grants = list(ours_grants(asks, gpus=gpus, pending=size.pending, clients=size.threads))
    rows = [line.row(grants[-1]) for line in (*grants, *theirs.submitted)]
    yield Result(measure="slurm-grants", settings=settings, machine=on, rows=rows)
    quoted = list(ours_quotes(asks, gpus=gpus, count=size.quotes))
    rows = [line.row(quoted[-1]) for line in (*quoted, *theirs.quoted)]
    yield Result(measure="slurm-quotes", settings=settings, machine=on, rows=rows, notes=theirs.queue)


def _on_cloud(peer: Cluster, size: Size) -> _Cloud:
    idle = list(quotes.idle(peer.holding, count=size.quotes))
    submitted = list(submissions.fill(peer.holding, gangs(size.asks), pending=size.pending))
    plans = list(planning.plans(peer, count=size.plans))
    queue = _queue(peer)
    quoted = [*idle, *quotes.full(peer.holding, count=size.quotes)]
    return _Cloud(submitted=submitted, plans=plans, quoted=quoted, queue=queue)


def _on_real(size: Size, on: Row) -> Iterator[Result]:
    settings, found, queues = _nodes(size.real_nodes), list[Row](), dict[str, list[Probe]]()
    for seed in size.queues:
        with cluster.real(nodes=size.real_nodes, interval_s=size.real_interval_s) as peer:
            if not found:
                found.append(launches.launches(peer, count=size.launches).row())
                yield Result(measure="slurm-launches", settings=settings, machine=on, rows=found)
            truth.fill(peer.holding, count=size.held, seed=seed)
            queue = _queue(peer)
            probes = list(truth.probes(peer.holding, count=size.probes, seed=seed))
            queues[f"{queue['holding']} running, {queue['pending']} waiting"] = probes
    all_probes = [probe for probes in queues.values() for probe in probes]
    rows = [truth.row(name, probes) for name, probes in (*queues.items(), ("all", all_probes))]
    yield Result(measure="slurm-truth", settings=settings, machine=on, rows=rows)


def _nodes(count: int) -> Row:
    return {"nodes": count, "gpus": count * GPUS_PER_NODE}


def _queue(peer: Cluster) -> Row:
    return {"holding": peer.holding.jobs("RUNNING", "CONFIGURING"), "pending": peer.holding.jobs("PENDING")}
