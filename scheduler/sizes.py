"""Sizes of leases: what an inference lease may grow to, what any may shrink to, and the GPUs that go with it."""

from collections.abc import Mapping, Sequence

from dure import wire
from dure.errors import ResizeRefused
from scheduler import refusals
from scheduler.case import Case, Change, invalid
from scheduler.core import record, sentences
from scheduler.core.lease import sized_since
from scheduler.core.model import Gang, Lease, NodeId, Purpose, State
from scheduler.core.resize import NotResized, grow, short, shrink, size_of
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
        raise invalid(
            unit,
            f'lease {case.lease.id} is counted in {"nodes" if gang else "GPUs"}: say how many, for example "{unit}": 1',
        )
    return size


def resized(case: Case, body: wire.Resize, ready: Ready) -> Change:
    """The lease with the size asked for. Raises InvalidRequest, ResizeRefused."""
    size, has = wanted(case, nodes=body.nodes, gpus=body.gpus), size_of(case.lease.shape)
    if size == has:
        raise invalid("nodes" if body.gpus is None else "gpus", f"the lease has {has} already; give another number")
    return smaller(case, size) if size < has else _larger(case, size, ready)


def smaller(case: Case, size: int) -> Change:
    """The lease with less than it has. Raises InvalidRequest, ResizeRefused."""
    has, least = size_of(case.lease.shape), case.row.min_size or 1
    if size >= has:
        field = "nodes" if isinstance(case.lease.shape, Gang) else "gpus"
        raise invalid(field, f"the lease has {has}; give a smaller number, for example {max(1, has - 1)}")
    if size < least:
        said = f"lease {case.lease.id} was asked to have {least} at least; shrink it to {least}, or release it"
        raise ResizeRefused(said, numbers={"in_the_way": "min", "asked": size, "smallest": least, "has": has})
    found = shrink(case.book, case.lease.id, size, case.at)
    return Change(lease=found.lease, book=found.book, given_back=found.changed, cleaned=found.cleaned)


def _larger(case: Case, size: int, ready: Ready) -> Change:
    lease, most = case.lease, case.row.max_size
    numbers: dict[str, int | str] = {"asked": size, "has": size_of(lease.shape)}
    if lease.purpose is not Purpose.INFERENCE:
        said = f"lease {lease.id} is for training, which does not grow; ask for another lease beside it"
        raise ResizeRefused(said, numbers={**numbers, "in_the_way": "purpose", "largest": size_of(lease.shape)})
    if most is not None and size > most:
        said = f"lease {lease.id} was asked to have {most} at most; resize it to at most {most}"
        raise ResizeRefused(said, numbers={**numbers, "in_the_way": "max", "largest": most})
    given: Mapping[NodeId, int] = {}
    if _runs(lease):
        counts = {NodeId(node): len(found) for node, found in ready.items()}
        given = short(case.book, lease, counts, case.at)
    found = grow(case.book, lease.id, size, case.at, given)
    if isinstance(found, NotResized):
        raise refusals.resize(case, found, numbers)
    said = Said(code="resized", detail=sentences.growth(lease, found.lease), numbers={"gpus": found.lease.gpus})
    kept = record.of_growth(case.book, found, given, case.at)
    return Change(lease=found.lease, book=found.book, added=found.changed, decision=(kept, said))


def ready(session: Session, case: Case) -> Ready:
    """Nothing for one that has not started: it gets its GPUs when it does."""
    if case.lease.state is not State.ACTIVE:
        return {}
    return gpus.grantable(session, case.row.pool, list(case.book.nodes))


def take(session: Session, case: Case, change: Change, ready: Ready) -> None:
    """Gives a running lease the GPUs by which it grows."""
    if _runs(case.lease):
        taken = [(node, gpu) for node, count in change.added for gpu in ready[node][:count]]
        allocations.start(session, case.row.id, taken, now=sized_since(change.lease))


def give_back(session: Session, case: Case, change: Change) -> None:
    """Takes from a running lease the GPUs by which it shrinks; their agents show them empty, as after any lease."""
    if _runs(case.lease):
        allocations.give_back(session, case.row.id, change.given_back, at=sized_since(change.lease))


def _runs(lease: Lease) -> bool:
    return lease.state is State.ACTIVE
