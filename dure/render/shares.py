"""Shares of pools, and how companies stand by them."""

from rich.console import Group, RenderableType
from rich.text import Text

from dure import times, wire
from dure.render.view import View, facts, table

_HOUR = 3600


def share(found: wire.Share, view: View) -> RenderableType:
    return facts(
        [
            ("company", found.company),
            ("pool", found.pool),
            ("shares", str(found.shares)),
            ("group", found.group or view.none),
        ]
    )


def group(found: wire.ShareGroup) -> RenderableType:
    return facts([("group", found.name), ("pool", found.pool), ("shares", str(found.shares))])


def contended(rule: str, ppm: int, half_life_s: int) -> str:
    """What contended means, in short."""
    if rule == "none":
        return "never: companies are served in order of arrival"
    when = "always" if rule == "always" else f"where more than {ppm / 10_000:g} % of the pool is booked"
    return f"{when}; what was used counts half after {times.show_duration(half_life_s)}"


def fair(found: wire.FairPool, view: View) -> RenderableType:
    counted = "never yet" if found.counted_at is None else f"up to {view.full(found.counted_at)}"
    head = facts(
        [
            ("pool", found.pool),
            ("contended", contended(found.contended, found.contended_ppm, found.half_life_s)),
            ("now", "contended" if found.contended_now else "not contended"),
            ("use counted", counted),
        ]
    )
    if not found.companies:
        return Group(head, Text("no companies: one has a share once it has a quota or shares in this pool"))
    columns = ("RANK", "COMPANY", "GROUP", "SHARES", "OF POOL", "GPUS", "HELD", "QUEUED", "USED", "ENTITLED", "BEYOND")
    rows = [_row(one, view) for one in found.companies]
    why = Group(*(Text(one.why) for one in found.companies))
    made = table(
        *columns,
        rows=lambda _: rows,
        view=view,
        right=("RANK", *columns[3:]),
        drop=("GROUP", "SHARES", "USED", "ENTITLED"),
    )
    return Group(head, made, why)


def _row(one: wire.FairCompany, view: View) -> tuple[str, ...]:
    return (
        str(one.rank),
        one.company,
        one.group or view.none,
        str(one.shares),
        f"{one.part_ppm / 10_000:.1f} %",
        str(one.share_gpus),
        str(one.held_gpus),
        str(one.queued),
        *(f"{amount / _HOUR:,.1f} h" for amount in (one.used_gpu_seconds, one.entitled_gpu_seconds)),
        f"{one.beyond_gpu_seconds / _HOUR:+,.1f} h",
    )
