"""Who is on a node's GPUs, as a report says it: handed on to those that settle which GPUs leases hold, and note violations."""

from collections.abc import Iterable

from msgspec import UNSET, structs
from sqlmodel import Session

from dure import wire
from scheduler.core.reported import GpuHolder, GpuViolation, Report
from scheduler.store import heard, holders, violations


def tells_holders(report: Report) -> bool:
    """Whether it says which pods have which GPUs; then it may change what leases hold."""
    return isinstance(report.holders, list)


def settle(session: Session, node: str, report: Report, *, now: float) -> None:
    """Before anything else of the node is written or locked."""
    if isinstance(report.holders, list):
        holders.settle(session, node, [_holder(one) for one in report.holders], now=now)


def forget(session: Session, reports: Iterable[tuple[str, Report]]) -> None:
    """Which pods had which GPUs of nodes of which this cannot be told any more."""
    nodes = [node for node, report in reports if not report.base and not isinstance(report.holders, list)]
    if nodes:
        holders.forget(session, nodes)


def note(session: Session, node: str, report: Report, *, now: float) -> None:
    """All violations of the node, where the report says which there are."""
    if isinstance(report.violations, list):
        found = [_violation(one) for one in report.violations]
        violations.note(session, node, found, offset_s=heard.offset_s(report, now), now=now)


def _holder(one: GpuHolder) -> wire.GpuHolder:
    return wire.GpuHolder.model_construct(**structs.asdict(one))


def _violation(one: GpuViolation) -> wire.GpuViolation:
    return wire.GpuViolation.model_construct(
        **{name: None if value is UNSET else value for name, value in structs.asdict(one).items()}
    )
