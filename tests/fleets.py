"""Snapshots of fleets as large as wanted, for what is worked out from one and needs no database of that size."""

from itertools import product

from dure.wire import LeaseState
from scheduler.core.model import Cause
from scheduler.core.promises import Happened
from scheduler.metrics import Measured
from scheduler.store import tables
from scheduler.store.snapshot import FleetSnapshot
from scheduler.store.snapshot.calendar import WITHIN_S, Calendar, Queue
from scheduler.store.snapshot.companies import Budget, Companies
from scheduler.store.snapshot.database import DatabaseSize
from scheduler.store.snapshot.fleet import GPU_STATES, NODE_STATES, Fleet
from scheduler.store.snapshot.leases import MOST_LEASES, Leases, OneLease
from scheduler.store.violation_counts import Counts

AT = 1_799_990_000.0
INSTANTS = ("asked", "promised", "starts", "started", "ends", "ended")
KINDS = ("leased", "busy", "idle", "lost", "committed", "charged", "refunded")


def a_snapshot(*, gpus: int, nodes: int, companies: int, pools: int) -> FleetSnapshot:
    """One in which everything is told that can be: every company holds, waits and has a budget in every pool, each GPU is a lease."""
    names = tuple(f"pool-{number}" for number in range(pools))
    whose = tuple(f"company-{number:04}" for number in range(companies))
    return FleetSnapshot(
        fleet=_fleet(names, nodes),
        calendar=_calendar(names),
        companies=_companies(whose, names),
        leases=_leases(gpus, whose, names),
        promises={kind: dict.fromkeys(_promises(kind, names), 9) for kind in Happened},
        connections=dict.fromkeys(
            (
                "active",
                "idle",
                "idle_in_transaction",
                "idle_in_transaction_(aborted)",
                "disabled",
                "fastpath_function_call",
                "unknown",
            ),
            3,
        ),
        verified=tables.LedgerVerified(id=1, at=int(AT), accounts=pools * companies, entries=gpus, faults=0),
    )


def _promises(kind: Happened, names: tuple[str, ...]) -> list[tuple[str, ...]]:
    return list(product(names, Cause)) if kind.has_cause else [(name,) for name in names]


def measured() -> Measured:
    """What a job found of it."""
    found = Measured()
    names = [*tables.__all__, "alembic_version", "schema_version"]
    size = DatabaseSize(bytes=1 << 30, tables=dict.fromkeys(names, 1 << 20), archived_at=AT, archive_failed_at=AT)
    found.sized(size, AT)
    return found


def _fleet(names: tuple[str, ...], nodes: int) -> Fleet:
    kinds: Counts = dict.fromkeys(product((*names, "") if names else (), ("process", "pod")), 1)
    nowhere = {("", state): 1 for state in NODE_STATES} if names else {}
    return Fleet(
        gpus=dict.fromkeys(product(names, GPU_STATES), 100) | ({("", "unpooled"): 1} if names else {}),
        nodes=dict.fromkeys(product(names, NODE_STATES), 10) | nowhere,
        unproved=dict.fromkeys(names, 1),
        heard={f"node-{number:04}": AT + number / 7 for number in range(nodes)},
        unserved=[(name, f"cluster-{name}") for name in names],
        violations=kinds,
        violated=kinds,
    )


def _calendar(names: tuple[str, ...]) -> Calendar:
    edges = ("start", "end")
    return Calendar(
        leases=dict.fromkeys(product(names, [state.value for state in LeaseState]), 10),
        overdue=dict.fromkeys(names, 0),
        degraded=dict.fromkeys(names, 0),
        due=dict.fromkeys(product(names, edges, WITHIN_S), 100),
        edges=dict.fromkeys(product(names, edges), AT),
        slack_s=dict.fromkeys(names, 60.0),
        queues=dict.fromkeys(names, Queue(gpus=80, asks=10, oldest_age_s=600.0)),
    )


def _companies(whose: tuple[str, ...], names: tuple[str, ...]) -> Companies:
    pairs = list(product(whose, names))
    budget = Budget(gpu_seconds=1_000_000, spent=300_000, committed=200_000, ends_at=AT + 86_400)
    return Companies(
        gpus=dict.fromkeys(product(whose, names, ("held", "booked", "queued")), 2),
        quotas=dict.fromkeys(pairs, 16),
        committed=dict.fromkeys(pairs, 200_000),
        budgets=dict.fromkeys(pairs, budget),
        used=dict.fromkeys(product(whose, names, ("leased", "busy", "idle", "lost")), 123_456_789),
        joules=dict.fromkeys(pairs, 123_456_789_012),
        used_ratio=dict.fromkeys(pairs, 0.00025),
        entitled_ratio=dict.fromkeys(pairs, 0.00025),
    )


def _leases(gpus: int, whose: tuple[str, ...], names: tuple[str, ...]) -> Leases:
    shown = tuple(
        OneLease(
            lease=f"lea_01kb{number:022}",
            company=whose[number % len(whose)],
            pool=names[number % len(names)],
            tier="reserved",
            purpose="training",
            state="ended",
            gpus=1,
            at=dict.fromkeys(INSTANTS, AT + number),
            gpu_seconds=dict.fromkeys(KINDS, 86_400 + number),
        )
        for number in range(min(gpus, MOST_LEASES))
    )
    return Leases(shown=shown, left_out=gpus - len(shown))
