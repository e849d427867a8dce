"""Reports of node agents: what they say of GPUs and use is taken in, and the answer says what the node holds.

A report never touches a pool's row unless the fleet changed: a GPU came, went or changed its health, or a silent node
is back. That a quarantined GPU is proved empty it only writes down; the loop gives the GPU back.
"""

import math
from zoneinfo import ZoneInfo

from sqlalchemy import text, update
from sqlmodel import Session, col, select

from dure import wire
from dure.errors import InvalidRequest, StaleReport
from scheduler import days
from scheduler.store import edges, fleet, holders, nodes, programme, violations
from scheduler.store.tables import Allocation, Gpu, Lease, Node, Pool
from scheduler.store.times import to_wire

SILENT_INTERVALS = 3
SILENT_AT_LEAST_S = 5
"""A node is silent after three of its own intervals, and not before five seconds."""

AHEAD_S = 60
"""How far an agent's idea of our clock may be ahead of it."""


def take(session: Session, node: str, report: wire.Report, *, now: float) -> wire.ReportAnswer:
    """Takes in one report; the same one again changes nothing.

    Raises UnknownNode, StaleReport, GpuClaimed, InvalidRequest.
    """
    row = nodes.row(session, node)
    _check(row, report, now)
    restarted = None not in (row.host_boot, report.host_boot) and row.host_boot != report.host_boot
    if row.state != "ok" or restarted or _fleet_changed(session, node, report):
        fleet.report_gpus(session, node, report.gpus, heard_at=row.last_report_at, restarted=restarted, now=now)
    if report.holders is not None:
        holders.settle(session, node, report.holders, now=now)
    _write_node(session, row, report, now)
    zone = programme.zone(session)
    _write_usage(session, node, report, zone)
    _close_proved(session, node, report, now)
    if report.violations is not None:
        violations.note(session, node, report.violations, offset_s=report.sent_at - now, now=now)
    return wire.ReportAnswer(
        server_time=now,
        seq=report.seq,
        allocations=_held(session, node),
        midnights=[to_wire(midnight) for midnight in days.midnights(now, zone)],
    )


def _check(row: Node, report: wire.Report, now: float) -> None:
    if row.boot == report.boot and row.seq is not None and report.seq < row.seq:
        raise StaleReport(
            f"report {row.seq} of this agent was taken already; {report.seq} is older. Go on with {row.seq + 1}"
        )
    uuids = [reading.uuid for reading in report.gpus]
    if len(set(uuids)) != len(uuids):
        raise InvalidRequest.about("gpus", "a GPU is named twice")
    for index, use in enumerate(report.usage):
        if use.day_began_at.timestamp() > now + AHEAD_S:
            raise InvalidRequest.about(
                f"usage.{index}.day_began_at", "that day has not begun; days begin at the answers' midnights"
            )
        if use.busy_ms > use.sampled_ms:
            raise InvalidRequest.about(
                f"usage.{index}.busy_ms", f"busy {use.busy_ms} ms of {use.sampled_ms} ms sampled"
            )


_KNOWN = text("SELECT uuid, index, product, health FROM gpu WHERE node = :node AND present")


def _fleet_changed(session: Session, node: str, report: wire.Report) -> bool:
    known = {tuple(gpu) for gpu in session.connection().execute(_KNOWN, {"node": node})}
    return known != {(gpu.uuid, gpu.index, gpu.product, gpu.health) for gpu in report.gpus}


def _write_node(session: Session, row: Node, report: wire.Report, now: float) -> None:
    values = {
        "last_report_at": now,
        "silent_after_s": max(SILENT_AT_LEAST_S, math.ceil(SILENT_INTERVALS * report.interval_s)),
        "boot": report.boot,
        "host_boot": report.host_boot or row.host_boot,
        "seq": report.seq,
        "clock_offset_s": round(report.sent_at - now),
        "agent_version": report.agent_version,
        "driver_version": report.driver_version,
        "reading": [gpu.model_dump(mode="json") for gpu in report.gpus],
    }
    session.connection().execute(
        update(Node).where(col(Node.name) == row.name).values(values).execution_options(synchronize_session=False)
    )


_NUMBERS = ("sampled_ms", "busy_ms", "energy_millijoules", "memory_ms", "memory_mebibyte_s")

_USE = text(
    f"""
    INSERT INTO allocation_use (allocation, boot, day, {", ".join(_NUMBERS)})
    SELECT a.id, :boot, u.day, {", ".join(f"u.{name}" for name in _NUMBERS)}
    FROM unnest(CAST(:ids AS text[]), CAST(:days AS date[]), {", ".join(f"CAST(:{name} AS bigint[])" for name in _NUMBERS)})
         AS u (id, day, {", ".join(_NUMBERS)})
    JOIN allocation a ON a.id = u.id AND a.node = :node
    JOIN lease l ON l.id = a.lease AND l.counted_at IS NULL
    ON CONFLICT (allocation, boot, day) DO UPDATE SET
        {", ".join(f"{name} = greatest(allocation_use.{name}, excluded.{name})" for name in _NUMBERS)}
    """
)
"""Running totals, so the larger is the newer. An allocation of another node is not this one's to speak of, and what is
counted is counted."""


def _write_usage(session: Session, node: str, report: wire.Report, zone: ZoneInfo) -> None:
    if not report.usage:
        return
    last = {(use.allocation, days.begun(use.day_began_at, zone)): use for use in report.usage}
    values = {
        "node": node,
        "boot": report.boot,
        "ids": [allocation for allocation, _ in last],
        "days": [day for _, day in last],
        **{name: [getattr(use, name) for use in last.values()] for name in _NUMBERS},
    }
    session.connection().execute(_USE, values)


def _close_proved(session: Session, node: str, report: wire.Report, now: float) -> None:
    """Closes allocations whose GPU is shown empty by readings taken after the agent knew of their end."""
    if not report.knew_ended:
        return
    query = (
        select(Allocation, Gpu, Pool.empty_memory_bytes)
        .join(Gpu, col(Gpu.uuid) == col(Allocation.gpu))
        .join(Lease, col(Lease.id) == col(Allocation.lease))
        .join(Pool, col(Pool.name) == col(Lease.pool))
        .where(
            col(Gpu.node) == node,
            col(Allocation.closed_at).is_(None),
            col(Allocation.ended_at).is_not(None),
            col(Allocation.id).in_(report.knew_ended),
        )
        .with_for_update(of=Allocation)
    )
    readings = {reading.uuid: reading for reading in report.gpus}
    proved = [
        (allocation, gpu)
        for allocation, gpu, floor in session.exec(query).all()
        if _empty(readings.get(gpu.uuid), floor)
    ]
    if not proved:
        return
    for allocation, _ in proved:
        allocation.closed_at = max(int(now), allocation.ended_at or 0)
        session.add(allocation)
    session.flush()
    for pool in sorted({gpu.pool for _, gpu in proved if gpu.pool is not None}):
        edges.notify(session, pool)


def _empty(reading: wire.GpuReading | None, floor: int) -> bool:
    """Unknown proves nothing."""
    if reading is None or reading.processes is None or reading.memory_used_bytes is None:
        return False
    return reading.processes == 0 and reading.memory_used_bytes <= floor


_HELD = text(
    """
    SELECT a.id, a.gpu, l.id, l.company, CAST(extract(epoch FROM l.starts_at) AS bigint),
        CAST(extract(epoch FROM l.stops_at) AS bigint), a.ended_at IS NOT NULL
    FROM allocation a JOIN lease l ON l.id = a.lease JOIN gpu g ON g.uuid = a.gpu
    WHERE g.node = :node AND a.closed_at IS NULL ORDER BY a.id
    """
)


def _held(session: Session, node: str) -> list[wire.NodeAllocation]:
    found = session.connection().execute(_HELD, {"node": node})
    return [
        wire.NodeAllocation(
            allocation=allocation,
            gpu=gpu,
            lease=lease,
            company=company,
            starts_at=to_wire(starts_at or 0),
            stops_at=to_wire(stops_at or 0),
            ended=ended,
        )
        for allocation, gpu, lease, company, starts_at, stops_at, ended in found
    ]
