"""Offers, a window a line."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from dure import wire
from dure.render.view import View, table, timed


def offers(found: Sequence[wire.Offer], view: View) -> RenderableType:
    """When, why and at what price, the first to start first."""
    if not found:
        return Text("no offer: nothing like it fits; give it a wider window, or ask for less")
    made = table(
        *("OFFER", "POOL", "WHAT", "STARTS", "ENDS", "WHY", "WHERE", "QUOTA LEFT", "GPU-HOURS", "CLAIM BY"),
        rows=lambda view: [_line(one, view) for one in found],
        view=view,
        right=("QUOTA LEFT", "GPU-HOURS"),
        loose=("WHERE",),
        drop=("POOL", "GPU-HOURS", "QUOTA LEFT", "WHERE"),
    )
    return timed(made, view)


def _line(one: wire.Offer, view: View) -> tuple[str, ...]:
    why = one.lease or ", ".join(one.reasons).replace("_", " ")
    where = ", ".join(f"{share.node} ({share.gpus})" for share in one.placement)
    when = (view.short(one.starts_at), view.short(one.ends_at))
    price = (str(one.quota_left_gpus), f"{one.gpu_seconds / 3600:.1f}")
    return (one.id, one.pool, str(one.shape), *when, why, where, *price, view.short(one.expires_at))
