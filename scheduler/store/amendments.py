"""Writing down another end or size of a lease, to the GPU-second, and who made way for it.

The caller holds the pool's lock and commits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlmodel import Session

from scheduler.core.charge import box
from scheduler.core.model import Lease, Placement
from scheduler.core.replan import Move
from scheduler.store import bulk, changes, commitments, leases, plans, records
from scheduler.store.commitments import Change
from scheduler.store.tables import Lease as Row
from scheduler.store.tables import LeaseSpan

Event = Literal["extended", "renewed", "shrunk", "resized", "replaced"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """`cleaned` stands in the book for the GPUs that a running lease gave back; `replaced` is which it gave back for which."""

    event: Event
    before: Lease
    after: Lease
    made_way: Sequence[Move] = ()
    cleaned: Lease | None = None
    decision: str | None = None
    replaced: tuple[Placement, Placement] | None = None

    @property
    def gpu_seconds(self) -> int:
        """What it takes more of its company's account; negative for what is given back."""
        return box(self.after) - box(self.before)


def write(session: Session, row: Row, found: Amendment, *, number: int, at: float) -> None:
    """The lease's row, placement and spans, the account, what its company is told, and the moves of others."""
    after = found.after
    for name, value in plans.size(after.shape).items():
        setattr(row, name, value)
    row.duration_s, row.generation = after.duration_s, number
    row.resized_at = after.history[-1].ends_at if after.history else None
    if found.replaced is None:  # by which nothing is in a renewal's way that was not
        row.renewal_refused_at = None
    leases.write_back(session, row, after)
    session.flush()
    if after.placement != found.before.placement:
        plans.place(session, [after])
    items = [after] if found.cleaned is None else [after, found.cleaned]
    bulk.insert(session, (LeaseSpan, _spans(found)), changes.rows(row.pool, number, items, at=at))
    commitments.post(session, [Change(before=found.before, after=after, cause=found.event)], at=at)
    records.event(session, row, found.event, at=at, cause=found.event, detail=_detail(found))
    plans.write_moves(session, row.pool, found.made_way, decision=found.decision, number=number, at=at)


def _spans(found: Amendment) -> list[bulk.Row]:
    return [
        {"lease": found.after.id, "since": span.starts_at, "until": span.ends_at, "gpus": span.gpus}
        for span in found.after.history[len(found.before.history) :]
    ]


def _detail(found: Amendment) -> records.Detail:
    before, after = found.before, found.after
    detail: dict[str, int | str | None] = {"gpu_seconds": found.gpu_seconds}
    if found.decision is not None:
        detail["decision"] = found.decision
    if before.ends_at != after.ends_at:
        detail |= {"ends_at_before": records.time(before.ends_at), "ends_at": records.time(after.ends_at)}
    if before.shape != after.shape:
        detail |= {"gpus_before": before.gpus, "gpus": after.gpus}
    if before.placement != after.placement:
        detail |= {"placement_before": plans.nodes(before.placement), "placement": plans.nodes(after.placement)}
    if found.replaced is not None:
        given_back, added = found.replaced
        detail |= {"given_back": plans.nodes(given_back), "added": plans.nodes(added)}
    if found.made_way:
        detail["made_way"] = len(found.made_way)
    return detail
