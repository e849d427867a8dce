"""Who is on a node's GPUs, as a report says it: handed on to those that settle which GPUs leases hold, and note violations."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import UNSET, structs
from sqlalchemy import text
from sqlmodel import Session

from dure import wire
from scheduler.core.reported import GpuHolder, GpuViolation, Report
from scheduler.store import heard, holders, violations
from scheduler.store.holdings import Gpu

Holders = Sequence[Mapping[str, Any]]
"""Which pods have which GPUs, as it is kept."""

_KEPT = text("SELECT node, holders FROM node_holders WHERE node = ANY(:nodes)")


def kept(session: Session, reports: Mapping[str, Report]) -> Mapping[str, Holders]:
    """What was told last, by node, of those whose reports tell it again."""
    nodes = [node for node, report in reports.items() if isinstance(report.holders, list)]
    return {row[0]: row[1] for row in session.connection().execute(_KEPT, {"nodes": nodes})} if nodes else {}


def tells_anew(report: Report, before: Holders | None, held: Sequence[Gpu]) -> bool:
    """Whether it says which pods have which GPUs, and that may change what leases hold: it was not told before, or something was
    in the way of what was.
    """
    if not isinstance(report.holders, list):
        return False
    told = {(one.gpu, one.namespace, one.pod) for one in report.holders}
    if before is None or told != {(one["gpu"], one["namespace"], one["pod"]) for one in before}:
        return True
    given, here = {one.gpu for one in report.holders}, {gpu.uuid for gpu in held if gpu.present}
    live = {gpu.uuid for gpu in held if gpu.allocation is not None and not gpu.ended}
    return bool(live - given) and bool(given & here - live)


def settle(session: Session, node: str, report: Report, *, now: float) -> None:
    """Under the locks of the node's pools."""
    if isinstance(report.holders, list):
        holders.settle(session, node, [_holder(one) for one in report.holders], now=now)


def note(session: Session, node: str, report: Report, *, now: float) -> None:
    """All violations of the node, where the report says which there are; and that its kubelet cannot be asked any more."""
    if not report.base and not isinstance(report.holders, list):
        holders.forget(session, node)
    if isinstance(report.violations, list):
        found = [_violation(one) for one in report.violations]
        violations.note(session, node, found, offset_s=heard.offset_s(report, now), now=now)


def _holder(one: GpuHolder) -> wire.GpuHolder:
    return wire.GpuHolder.model_construct(**structs.asdict(one))


def _violation(one: GpuViolation) -> wire.GpuViolation:
    return wire.GpuViolation.model_construct(
        **{name: None if value is UNSET else value for name, value in structs.asdict(one).items()}
    )
