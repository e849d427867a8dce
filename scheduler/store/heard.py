"""What nodes say of themselves in their reports: read and written for many of them at once, as arrays.

Their GPUs' readings are wide, and written only when it is worth it; the rest of a node's row is narrow.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import text
from sqlmodel import Session

from dure.errors import SecondAgent, StaleReport, UnknownNode
from scheduler.core.folding import Gpus
from scheduler.core.reported import Report
from scheduler.store.receiving import LISTENED

SILENT_INTERVALS = 3
SILENT_AT_LEAST_S = 5
"""A node is silent after three of its own intervals, and not before five seconds."""

BACK_WITHIN_S = 20
"""Not before so long once reports can be received again, and not again at each break of one silence: an agent may wait ten seconds for an answer of before that will not come,
and then as long as it is asked to."""


class Heard(NamedTuple):
    """A node as it was heard before; times are Unix seconds."""

    name: str
    state: str
    boot: str | None
    boot_before: str | None
    host_boot: str | None
    seq: int | None
    at: float | None
    silent_after_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One node's report and its GPUs; `gpus` is None where their readings are not worth writing down now."""

    node: str
    report: Report
    gpus: Gpus | None


_ROWS = """
    SELECT name, state, boot, boot_before, host_boot, seq, CAST(extract(epoch FROM last_report_at) AS float8), silent_after_s
    FROM node WHERE name = ANY(:names)
    """
_READ = text(_ROWS)
_LOCKED = text(f"{_ROWS} ORDER BY name FOR NO KEY UPDATE")

_WRITE = text(
    f"""
    UPDATE node SET last_report_at = to_timestamp(:now), listened_s = {LISTENED}, silent_after_s = r.silent_after_s, seq = r.seq,
        boot_before = CASE WHEN node.boot = r.boot THEN node.boot_before ELSE node.boot END, boot = r.boot,
        host_boot = coalesce(r.host_boot, node.host_boot), clock_offset_s = r.clock_offset_s,
        agent_version = r.agent_version,
        driver_version = coalesce(r.driver_version, CASE WHEN r.builds THEN node.driver_version END),
        cuda_version = coalesce(r.cuda_version, CASE WHEN r.builds THEN node.cuda_version END),
        reading = coalesce(CAST(r.reading AS jsonb), node.reading)
    FROM unnest(CAST(:name AS text[]), CAST(:silent_after_s AS int[]), CAST(:boot AS text[]), CAST(:host_boot AS text[]),
        CAST(:seq AS bigint[]), CAST(:clock_offset_s AS bigint[]), CAST(:agent_version AS text[]),
        CAST(:driver_version AS text[]), CAST(:cuda_version AS text[]), CAST(:builds AS bool[]),
        CAST(:reading AS text[])) AS r (name, silent_after_s, boot, host_boot, seq, clock_offset_s, agent_version, driver_version,
        cuda_version, builds, reading)
    WHERE node.name = r.name AND NOT (node.boot IS NOT DISTINCT FROM r.boot AND node.seq > r.seq)
    """
)
"""A report that another one of the same agent overtook changes nothing any more. What one that builds on another leaves out is as
it was.
"""


def rows(session: Session, names: Iterable[str], *, locked: bool) -> dict[str, Heard]:
    """The nodes that there are, by name; `locked` ones are nobody else's to write until the transaction ends."""
    found = session.connection().execute(_LOCKED if locked else _READ, {"names": sorted(names)}).all()
    return {row[0]: Heard(*row) for row in found}


def check(name: str, row: Heard | None, report: Report, now: float) -> Heard:
    """The row, if the report may follow on it. Raises UnknownNode, StaleReport, SecondAgent."""
    if row is None:
        raise UnknownNode(f"there is no node {name}; an admin adds it with `dure node enroll {name}`")
    if row.boot == report.boot and row.seq is not None and report.seq < row.seq:
        raise StaleReport(
            f"report {row.seq} of this agent was taken already; {report.seq} is older. Go on with {row.seq + 1}"
        )
    if report.boot == row.boot_before and report.boot != row.boot and _speaks(row, now):
        raise SecondAgent(
            f"another agent, of boot {row.boot}, reports for {name}; this one is of boot {report.boot}. One agent is on a "
            f"node: stop the other, or this one, which is listened to again once the other is silent for {row.silent_after_s} s"
        )
    return row


def _speaks(row: Heard, now: float) -> bool:
    return row.at is not None and row.at + (row.silent_after_s or SILENT_AT_LEAST_S) > now


def restarted(row: Heard, report: Report) -> bool:
    """Whether the machine was started anew since it was heard before."""
    return bool(row.host_boot) and bool(report.host_boot) and row.host_boot != report.host_boot


def write(session: Session, said: Sequence[Said], *, now: float) -> None:
    """Notes that the nodes were heard, and what they say of themselves."""
    if not said:
        return
    columns = [_row(one, now) for one in said]
    values = {name: [row[name] for row in columns] for name in columns[0]}
    session.connection().execute(_WRITE, {**values, "now": now})


def silent_after_s(interval_s: float) -> int:
    """How long a node that reports so often is not silent yet."""
    return max(SILENT_AT_LEAST_S, math.ceil(SILENT_INTERVALS * interval_s))


def offset_s(report: Report, now: float) -> float:
    """How far the node's own clock is ahead of ours, by when it says that it sent the report."""
    return report.sent_at - now


def _row(said: Said, now: float) -> dict[str, Any]:
    report = said.report
    return {
        "name": said.node,
        "silent_after_s": silent_after_s(report.interval_s),
        "boot": report.boot,
        "host_boot": report.host_boot or None,
        "seq": report.seq,
        "clock_offset_s": round(offset_s(report, now)),
        "agent_version": report.agent_version,
        "driver_version": report.driver_version or None,
        "cuda_version": report.cuda_version or None,
        "builds": bool(report.base),
        "reading": None if said.gpus is None else msgspec.json.encode(said.gpus).decode(),
    }
