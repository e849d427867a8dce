"""Sizes of leases: what an inference lease may grow to, what any may shrink to, and the GPUs that go with it."""

from collections.abc import Mapping, Sequence

from dure import wire
from dure.errors import InvalidRequest
from scheduler import refusals
from scheduler.case import Case, Change
from scheduler.core import record, sentences
from scheduler.core.growth import Bounds, resize
from scheduler.core.lease import resized_at
from scheduler.core.model import Gang, Lease, NodeId, State
from scheduler.core.resize import Resized, short
from scheduler.core.shapes import size_of
from scheduler.refusals import Declined
from scheduler.store import allocations, gpus
from scheduler.store.db import Session
from scheduler.store.records import Said

Ready = Mapping[str, Sequence[str]]
"""By node, the GPUs that a running lease can be given at this moment."""


def wanted(case: Case, *, nodes: int | None, gpus: int | None) -> int:
    """The size that was asked for, in the lease's own unit. Raises InvalidRequest for the other one."""
    gang = isinstance(case.lease.shape, Gang)
    size = nodes if gang else gpus
    if size is None:
        unit = "nodes" if gang else "gpus"
        raise InvalidRequest.about(
            unit,
            f'lease {case.lease.id} is counted in {"nodes" if gang else "GPUs"}: say how many, for example "{unit}": 1',
        )
    return size


def resized(case: Case, body: wire.Resize, ready: Ready) -> Change | Declined:
    """The lease with the size asked for. Raises InvalidRequest."""
    size, has = wanted(case, nodes=body.nodes, gpus=body.gpus), size_of(case.lease.shape)
    if size == has:
        raise InvalidRequest.about(
            "nodes" if body.gpus is None else "gpus", f"the lease has {has} already; give another number"
        )
    return _decided(case, size, ready)


def smaller(case: Case, size: int) -> Change | Declined:
    """The lease with less than it has. Raises InvalidRequest."""
    has = size_of(case.lease.shape)
    if size >= has:
        field = "nodes" if isinstance(case.lease.shape, Gang) else "gpus"
        raise InvalidRequest.about(field, f"the lease has {has}; give a smaller number, for example {max(1, has - 1)}")
    return _decided(case, size, {})


def _decided(case: Case, size: int, ready: Ready) -> Change | Declined:
    """Less than it has is not decided but given back, where the lease may have it."""
    lease, less = case.lease, size < size_of(case.lease.shape)
    there = {} if less or not _runs(lease) else given(case, ready)
    bounds = Bounds(least=case.row.min_size or 1, most=case.row.max_size)
    found = resize(case.book, lease.id, size, case.at, there, bounds, case.rivals)
    if less and isinstance(found, Resized):
        return Change(lease=found.lease, book=found.book, given_back=found.changed, cleaned=found.cleaned)
    kept = record.of_resize(case.book, lease.id, size, case.at, found, ready=there, bounds=bounds, rivals=case.rivals)
    if not isinstance(found, Resized):
        return refusals.resize(case, found, size, kept)
    said = Said(code="resized", detail=sentences.growth(lease, found.lease), numbers={"gpus": found.lease.gpus})
    return Change(lease=found.lease, book=found.book, moves=found.moves, added=found.changed, decision=(kept, said))


def given(case: Case, ready: Ready) -> Mapping[NodeId, int]:
    """Of what nodes can give at this moment, that which is less than the calendar has."""
    return short(case.book, case.lease, {NodeId(node): len(found) for node, found in ready.items()}, case.at)


def ready(session: Session, case: Case) -> Ready:
    """Nothing for one that has not started: it gets its GPUs when it does."""
    if case.lease.state is not State.ACTIVE:
        return {}
    return gpus.grantable(session, case.row.pool, list(case.book.nodes))


def take(session: Session, case: Case, change: Change, ready: Ready) -> None:
    """Gives a running lease the GPUs by which it grows, or that are its spares."""
    if _runs(case.lease):
        taken = [(node, gpu) for node, count in change.added for gpu in ready[node][:count]]
        allocations.start(session, case.row.id, taken, now=resized_at(case.lease, case.at))


def give_back(session: Session, case: Case, change: Change) -> None:
    """Takes from a running lease the GPUs by which it shrinks, or that it lost; their agents show them empty, as after any lease."""
    if _runs(case.lease):
        allocations.give_back(session, case.row.id, change.given_back, at=resized_at(case.lease, case.at))


def _runs(lease: Lease) -> bool:
    return lease.state is State.ACTIVE
