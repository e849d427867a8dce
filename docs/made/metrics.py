"""docs/metrics.md, from the tables that the processes' metrics are made of: `python -m docs.made.metrics > docs/metrics.md`."""

import sys
from collections.abc import Iterator, Mapping, Sequence

from agents.metrics import series as agents
from api import series as api
from api.metrics import METHODS
from api.routes import ROUTERS
from docs.made import users
from docs.made.sizes import Metric, Sizes, formula, most, total
from scheduler.core.model import Cause, Code
from scheduler.kube.pairing import Code as Gate
from scheduler.metrics import table as scheduler
from scheduler.store import tables
from scheduler.store.snapshot.leases import MOST_LEASES

GPUS, COMPANIES, POOLS, NODE_GPUS = 10_000, 1_000, 4, 8

SCHEDULER_SIZES: Sizes = {
    "pools": POOLS,
    "nodes": GPUS // NODE_GPUS,
    "pairs": COMPANIES * POOLS,
    "leases": MOST_LEASES,
    "codes": len(Code),
    "causes": len(Cause),
    "clusters": POOLS,
    "gates": len(Gate),
    "tables": len(tables.__all__) + 2,
}
"""Every company in every pool, and a cluster a pool; the table of migrations, and the one that it was before, are two more."""

API_SIZES: Sizes = {
    "pools": POOLS,
    "codes": len(Code),
    "routes": sum(len(router.routes) for router in ROUTERS) + 1,
    "methods": len(METHODS) + 1,
    "statuses": 24,
    "clusters": 0,
}

AGENT_SIZES: Sizes = {"gpus": NODE_GPUS}

BEGIN = """\
# Metrics

All names but those of processes (`process_*`) begin with `dure_`, units are base units, and labels are who something is, never a value that changes: but for
the `state` of `dure_lease_info`, which is a series for as long as the lease is in it. State is collected at scrape time, so no
series outlives what it speaks of. A value that is not known has no series: unknown is never zero.

This page is made from the code by `python -m docs.made.metrics`, out of the rows that the metrics themselves are made of. *Series* is how many a
metric has at most; the sums are [below](#how-many-series). *Dashboards* and *alerts* are the chart's that use it, recording rules
included.
"""

OF_SCHEDULER = """\
## The scheduler (`:8471/metrics`)

Fleet, lease and ledger series come from the leading one alone, out of one transaction a scrape that changes nothing. What is counted as it happens
(lateness, decisions, actions) each process counts from its start on: who led before stands still, so rates are right across a
change of who leads, with `sum` over all of them. What became of promises is counted in the database; what leases used is added up every 30 s. Both
are the same whoever leads, and never fall.

To who accepts OpenMetrics, as Prometheus does, `dure_decision_duration_seconds` has exemplars where
[traces are sent](operations.md): the `trace_id` of the turn in which the pool was looked at.
"""

OF_API = """\
## The API (`:8470/metrics`)

And `process_*` of the process. To who accepts OpenMetrics, as Prometheus does, `dure_api_request_duration_seconds` and
`dure_decision_duration_seconds` have exemplars: the `request_id` that the log has too, and the `decision` that
`dure decision` shows.
"""

OF_AGENT = """\
## Each agent (`:8480/metrics` and up)

Every series has the label `node`. Those of a GPU (`dure_gpu_*`) have `gpu`, its UUID, which is that of the instance where MIG is on, `product`, and
`pool`, which is empty until the allocator told it. A GPU that is cut into instances has series with its own UUID as well, of all that is
one for the whole of it, as its power, temperature and memory errors, and none of `dure_gpu_health`, `dure_gpu_lost` and
`dure_gpu_violations`, which are of what can be granted; `dure_gpu_holder_info` has `node` and `gpu` alone, as it is there to be joined.
[For people who come from dcgm-exporter](dcgm.md) has the names side by side, and joins.
"""

SUMS = f"""\
## How many series

At most, by the formulas above, with {GPUS:,} GPUs on {GPUS // NODE_GPUS:,} nodes, {COMPANIES:,} companies that each may have GPUs of each of {POOLS} pools, and
{MOST_LEASES:,} leases told one by one, which is all that ever are:
"""

END = """\
A node of eight GPUs has some 430 series, one of eight GPUs cut into seven instances each some 2,800; their number does not grow with time. What an
agent has at most is mostly different XIDs that hardly a GPU ever has.
"""


def page() -> str:
    boards, rules = users.dashboards(), users.rules()
    return "\n".join(
        (
            BEGIN,
            OF_SCHEDULER,
            *(f"### {subject}\n\n{_table(rows, boards, rules)}" for subject, rows in scheduler.SUBJECTS),
            OF_API,
            _table(api.TABLE, boards, rules),
            OF_AGENT,
            _table(agents.TABLE, boards, rules),
            SUMS,
            _sums(),
            END,
        )
    )


def _table(rows: Sequence[Metric], boards: Mapping[str, str], rules: Mapping[str, str]) -> str:
    return "\n".join(
        (
            "| name | type | unit | labels | meaning | series | dashboards | alerts |",
            "|---|---|---|---|---|---|---|---|",
            *(_line(row, boards, rules) for row in rows),
            "",
        )
    )


def _line(row: Metric, boards: Mapping[str, str], rules: Mapping[str, str]) -> str:
    used = users.of(row.name, {**rules, **boards})
    by = (", ".join(user for user in used if user in texts) for texts in (boards, rules))
    cells = (f"`{row.name}`", row.kind, row.unit, ", ".join(row.labels), row.about, formula(row), *by)
    return f"| {' | '.join(cells)} |"


def _sums() -> str:
    processes = (
        ("scheduler, the leading one", scheduler.TABLE, SCHEDULER_SIZES),
        ("API, each replica", api.TABLE, API_SIZES),
        ("agent, of 8 GPUs", agents.TABLE, AGENT_SIZES),
    )
    return "\n".join(("| process | series | most of them |", "|---|---|---|", *_summed(processes), ""))


def _summed(processes: Sequence[tuple[str, Sequence[Metric], Sizes]]) -> Iterator[str]:
    for name, rows, sizes in processes:
        largest = sorted(rows, key=lambda row: -most(row, sizes))[:3]
        told = ", ".join(f"`{row.name}` {most(row, sizes):,}" for row in largest)
        yield f"| {name} | {total(rows, sizes):,} | {told} |"


if __name__ == "__main__":
    sys.stdout.write(page())
