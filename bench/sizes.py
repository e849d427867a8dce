"""How much is measured: the whole, as the figures in the README are, and a tenth of it to see that all of it works."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """`nodes` of 8 GPUs are all held, and `pending` asks wait; `quotes` are asked a line.

    On the `real_nodes`: `launches` jobs that do nothing; then, for each of the seeds in `queues`, `held` jobs, which more
    than fill them, and so many `probes`; of ours, `pairs` of a quote and an ask, each for a second for every `shortened` minutes. So many `threads` ask for
    grants. The intervals are Slurm's pauses between two plans.
    """

    nodes: int
    cloud_interval_s: int
    pending: int
    plans: int
    quotes: int
    replans: int
    real_nodes: int
    real_interval_s: int
    launches: int
    held: int
    queues: tuple[int, ...]
    probes: int
    threads: tuple[int, ...]
    pairs: int
    shortened: int


WHOLE = Size(
    nodes=1250,
    cloud_interval_s=30,
    pending=2000,
    plans=2,
    quotes=500,
    replans=5,
    real_nodes=32,
    real_interval_s=10,
    launches=1500,
    held=370,
    queues=(10, 20, 30),
    probes=10,
    threads=(1, 8, 32),
    pairs=1000,
    shortened=10,
)
QUICK = Size(
    nodes=125,
    cloud_interval_s=3,
    pending=200,
    plans=1,
    quotes=30,
    replans=3,
    real_nodes=8,
    real_interval_s=2,
    launches=40,
    held=90,
    queues=(10,),
    probes=2,
    threads=(8,),
    pairs=5,
    shortened=240,
)
