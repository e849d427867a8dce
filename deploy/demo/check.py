"""The check at the end: was every promise kept, was no GPU in two leases, does the usage add up to the GPU-second.

Pure: it is given what the API answered, early and late, and says what is wrong. Leases that started late for a cause
that is written down are counted apart: the promise slipped, openly.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from dure.wire import CompanyUsage, Lease, LeaseState, Usage

ENDS_WITHIN_S = 120
"""Longer than anybody who ends leases is away in a demo or a test of bad days."""
STARTED = (LeaseState.ACTIVE, LeaseState.ENDING, LeaseState.ENDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Each a sentence; nothing is wrong when `wrong` is empty. `not_shown` is what everything was too slow to show."""

    wrong: list[str] = field(default_factory=list[str])
    not_shown: list[str] = field(default_factory=list[str])
    late_with_cause: list[str] = field(default_factory=list[str])
    kept: int = 0


def check(
    promised: Mapping[str, Lease], leases: Sequence[Lease], usage: Usage, quotas: Mapping[tuple[str, str], int]
) -> Findings:
    """`promised` is each lease as it was answered when its promise was given, `leases` and `usage` how it all ended."""
    wrong, late, kept = _promises(promised, leases)
    wrong += _ends(leases)
    wrong += _lost(promised, leases)
    wrong += _overlaps(leases)
    wrong += _over_quota(leases, quotas)
    wrong += _unbalanced(leases, usage)
    return Findings(wrong=wrong, late_with_cause=late, kept=kept)


def _slipped(before: Lease, lease: Lease) -> bool:
    """Whether its promise got later with a cause, its box as long as before."""
    if before.promised_start is None or lease.promised_start is None:
        return False
    later = lease.promised_start > before.promised_start
    return later and lease.late_cause is not None and lease.duration_s == before.duration_s


def _promises(promised: Mapping[str, Lease], leases: Iterable[Lease]) -> tuple[list[str], list[str], int]:
    wrong: list[str] = []
    late: list[str] = []
    kept = 0
    for lease in leases:
        before = promised.get(lease.id)
        if before is None or before.promised_start is None:
            continue
        if _slipped(before, lease):
            late.append(f"{lease.id}: promised later, {lease.late_cause}")
            continue
        if lease.promised_start != before.promised_start or not _whole(lease):
            wrong.append(f"{lease.id}: its promise was moved or its box cut")
        elif _kept(lease):
            kept += 1
        elif lease.late_cause is not None and not _too_early(lease):
            late.append(f"{lease.id}: {_lateness(lease)}, {lease.late_cause}")
        else:
            wrong.append(f"{lease.id}: {_lateness(lease)} and nobody says why")
    if not kept + len(late):
        wrong.append("no promise was given, so none was kept")
    return wrong, late, kept


def _whole(lease: Lease) -> bool:
    """Whether the box is as long as was asked, wherever it is now."""
    if lease.starts_at is None or lease.ends_at is None:
        return True
    return lease.ends_at - lease.starts_at == timedelta(seconds=lease.duration_s)


def _kept(lease: Lease) -> bool:
    """Started by its promise, though not before a time that was asked for; or not due: cancelled or still to come."""
    if lease.state in (LeaseState.SCHEDULED, LeaseState.CANCELLED):
        return True
    if lease.started_at is None or lease.promised_start is None:
        return False
    return lease.started_at <= lease.promised_start and not _too_early(lease)


def _too_early(lease: Lease) -> bool:
    return lease.start is not None and lease.started_at is not None and lease.started_at < lease.start


def _lateness(lease: Lease) -> str:
    if lease.started_at is None or lease.promised_start is None:
        return "never started"
    return f"started {int((lease.started_at - lease.promised_start).total_seconds())} s after its promise"


def _ends(leases: Iterable[Lease]) -> list[str]:
    """Nothing ends before its stop, nor, unless it was late as a whole, long after it."""
    wrong: list[str] = []
    for lease in leases:
        if lease.state is not LeaseState.ENDED or lease.ended_at is None or lease.stops_at is None:
            continue
        after_s = int((lease.ended_at - lease.stops_at).total_seconds())
        if after_s < 0:
            wrong.append(f"{lease.id}: ended {-after_s} s before its end")
        elif after_s > ENDS_WITHIN_S:
            wrong.append(f"{lease.id}: ended {after_s} s after its end")
    return wrong


def _lost(promised: Mapping[str, Lease], leases: Iterable[Lease]) -> list[str]:
    there = [lease.id for lease in leases]
    lost = [f"{missing}: was answered and is gone" for missing in promised.keys() - set(there)]
    return lost + [f"{twice}: is there twice" for twice in {found for found in there if there.count(found) > 1}]


def _overlaps(leases: Iterable[Lease]) -> list[str]:
    """From start to end, no GPU is held by two leases."""
    held: dict[str, list[tuple[datetime, datetime, str]]] = defaultdict(list)
    for lease in leases:
        if lease.started_at is not None and lease.stops_at is not None:
            for gpu in lease.gpus:
                held[gpu.uuid].append((lease.started_at, lease.ended_at or lease.stops_at, lease.id))
    return [
        f"{gpu}: in {first[2]} and {second[2]} at once"
        for gpu, spans in held.items()
        for first, second in pairwise(sorted(spans))
        if second[0] < first[1]
    ]


def _over_quota(leases: Iterable[Lease], quotas: Mapping[tuple[str, str], int]) -> list[str]:
    edges: dict[tuple[str, str], list[tuple[datetime, int]]] = defaultdict(list)
    for lease in leases:
        if lease.starts_at is not None and lease.stops_at is not None and lease.state is not LeaseState.CANCELLED:
            total = lease.shape.total
            edges[lease.company, lease.pool] += [(lease.starts_at, total), (lease.stops_at, -total)]
    return [
        f"{company}: held {most} GPUs of {pool} at once, its quota is {quotas[company, pool]}"
        for (company, pool), found in edges.items()
        if (most := _most(found)) > quotas[company, pool]
    ]


def _most(edges: Iterable[tuple[datetime, int]]) -> int:
    """The largest sum; at one instant ends come before starts."""
    most = now = 0
    for _, change in sorted(edges):
        now += change
        most = max(most, now)
    return most


def _unbalanced(leases: Iterable[Lease], usage: Usage) -> list[str]:
    """What the API adds up against what the leases' own instants add up to."""
    had: dict[tuple[str, str], int] = defaultdict(int)
    lost: dict[tuple[str, str], int] = defaultdict(int)
    for lease in leases:
        if lease.state in STARTED and lease.starts_at is not None and lease.stops_at is not None:
            key = (lease.company, lease.pool)
            if lease.started_at is None:
                lost[key] += lease.shape.total * lease.duration_s
                continue
            began = min(max(lease.started_at, lease.starts_at), lease.stops_at)
            had[key] += lease.shape.total * int((lease.stops_at - began).total_seconds())
            lost[key] += lease.shape.total * int((began - lease.starts_at).total_seconds())
    rows = {(row.company, row.pool): row for row in usage.rows}
    keys = {key for key in {*had, *lost} if had[key] or lost[key]} | set(rows)
    return [sentence for key in sorted(keys) for sentence in _row(key, had[key], lost[key], rows.get(key))]


def _row(key: tuple[str, str], had: int, lost: int, row: CompanyUsage | None) -> list[str]:
    name = "/".join(key)
    if row is None:
        return [f"{name}: {had} GPU-seconds were leased and the usage does not know it"]
    found = [(row.leased_gpu_seconds, had, "leased"), (row.lost_gpu_seconds, lost, "lost")]
    wrong = [
        f"{name}: usage says {says} GPU-seconds {kind}, its leases {are}" for says, are, kind in found if says != are
    ]
    if row.busy_gpu_seconds > row.leased_gpu_seconds:
        wrong.append(f"{name}: busy {row.busy_gpu_seconds} of {row.leased_gpu_seconds} leased GPU-seconds")
    return wrong
