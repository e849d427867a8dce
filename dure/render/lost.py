"""What was lost to a lease while it ran, in words."""

from collections.abc import Iterator
from itertools import groupby

from dure import wire
from dure.render.view import View

_WHY = {
    wire.LostCause.GPU_GONE: "its node does not have it any more",
    wire.LostCause.GPU_UNHEALTHY: "unhealthy",
    wire.LostCause.NODE_RESTARTED: "the node was restarted",
}


def lines(lease: wire.Lease, view: View) -> Iterator[str]:
    """One for GPUs of a node that were lost together."""
    whole = ", with which all of the gang is refunded" if lease.shape.nodes else ", refunded"
    over = lease.state not in (wire.LeaseState.ACTIVE, wire.LeaseState.ENDING)
    for (since, until, node, cause), gpus in groupby(sorted(lease.lost, key=_together), key=_together):
        count = len(list(gpus))
        when = f"since {view.short(since)}" if until == _LASTS else f"from {view.short(since)} to {view.short(until)}"
        why = _WHY.get(cause) or _silence(over=over, back=until != _LASTS)
        yield f"{count} GPU{'s' if count > 1 else ''} of {node} {when}{whole}: {why}"


def _silence(*, over: bool, back: bool) -> str:
    """What a node's silence comes to; `back` are GPUs that were given back in it, which it can still be heard with."""
    if over:
        return "the node was silent to the end of the lease"
    said = "they were given back while the node was silent" if back else "the node is silent"
    return f"{said}; if it is heard again with them, nothing was lost"


def brief(lease: wire.Lease) -> str | None:
    """Of one that is without some now, in a cell."""
    now = [one for one in lease.lost if one.until is None]
    return f"degraded ({now[0].cause} {now[0].node})" if lease.degraded and now else None


_LASTS = wire.LATEST


def _together(one: wire.LostGpu) -> "tuple[wire.Instant, wire.Instant, str, wire.LostCause]":
    return one.since, one.until or _LASTS, one.node, one.cause
