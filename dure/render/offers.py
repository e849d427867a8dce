"""Offers, a window a line."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.text import Text

from dure import times, wire
from dure.render.view import View, facts, table, timed

NEAR = {
    "one_node": "one node",
    "one_island": "one NVLink island",
    "one_rack": "one rack",
    "several_racks": "several racks",
    "unlabelled": "several nodes",
}


def found(answer: wire.Offers, view: View) -> RenderableType:
    """What a search found, and which pools cannot give all of it."""
    unmet = [Text(f"{one.pool}: {one.code}: {one.detail}") for one in answer.unmet]
    return Group(offers(answer.items, view), *unmet)


def offers(offered: Iterable[wire.Offer], view: View) -> RenderableType:
    """When, why and at what price."""
    shown = list(offered)
    if not shown:
        return Text("no offers: dure offer search makes some")
    made = table(
        *("OFFER", "POOL", "WHAT", "STARTS", "ENDS", "WHY", "WHERE", "QUOTA LEFT", "GPU-HOURS", "CLAIM BY"),
        rows=lambda view: [_line(one, view) for one in shown],
        view=view,
        right=("QUOTA LEFT", "GPU-HOURS"),
        loose=("WHERE",),
        drop=("POOL", "GPU-HOURS", "QUOTA LEFT", "WHERE"),
    )
    return timed(made, view)


def offer(one: wire.Offer, view: View) -> RenderableType:
    """One of them, with everything it says."""
    nodes = ", ".join(f"{share.node} ({share.gpus})" for share in one.placement)
    beside = f"{one.free_beside_gpus} GPUs of these nodes stay free beside it"
    rows = [
        ("offer", one.id),
        ("company", one.company),
        ("what", f"{one.shape} {one.pool} for {times.show_duration(one.duration_s)}"),
        ("why", _why(one)),
        ("starts", f"{view.full(one.starts_at)}; claimed, exactly then"),
        ("ends", view.full(one.ends_at)),
        ("where", f"{NEAR[one.placement_class]}: {nodes}; {beside}"),
        (
            "price",
            f"{one.gpu_seconds / 3600:.1f} GPU-hours; {one.quota_left_gpus} GPUs of the quota stay free beside it",
        ),
        (
            "claim",
            f"became {one.lease}" if one.lease else f"dure offer claim {one.id}, until {view.full(one.expires_at)}",
        ),
    ]
    return facts(rows)


def _line(one: wire.Offer, view: View) -> tuple[str, ...]:
    where = f"{NEAR[one.placement_class]}: {', '.join(f'{share.node} ({share.gpus})' for share in one.placement)}"
    when = (view.short(one.starts_at), view.short(one.ends_at))
    price = (str(one.quota_left_gpus), f"{one.gpu_seconds / 3600:.1f}")
    return (one.id, one.pool, str(one.shape), *when, _why(one), where, *price, view.short(one.expires_at))


def _why(one: wire.Offer) -> str:
    return ", ".join(one.reasons).replace("_", " ")
