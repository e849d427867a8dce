"""A lease that something touches, as it was and as it is then, in wire types."""

from dure import wire
from scheduler.core.model import Lease
from scheduler.store.times import to_wire


def touched(before: Lease | None, after: Lease) -> wire.Touched:
    """One lease; `before` is None for one that had no slot."""
    was, now = None if before is None else before.promised_start, after.promised_start
    return wire.Touched(
        lease=after.id,
        company=after.company,
        pool=after.pool,
        state=wire.LeaseState(after.state.value),
        starts_at_before=None if before is None else to_wire(before.starts_at),
        starts_at=to_wire(after.starts_at),
        promised_start_before=to_wire(was),
        promised_start=to_wire(now),
        slipped_s=0 if was is None or now is None else max(0, now - was),
        nodes_before=[] if before is None else [node for node, _ in before.placement],
        nodes=[node for node, _ in after.placement],
    )
