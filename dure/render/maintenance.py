"""What a drain does, and what is planned for a node."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from dure import times, wire
from dure.render.view import View, facts


def drained(found: wire.Drained, view: View, *, dry_run: bool) -> RenderableType:
    """Whom a drain, or its end, touches."""
    head = "dry run: nothing was changed" if dry_run else "done"
    return Group(Text(head, style="bold"), facts(list(_lines(found, view))))


def planned(drain: wire.Drain, view: View) -> str:
    """One drain in a line."""
    reason = f": {drain.reason}" if drain.reason else ""
    return f"{view.full(drain.starts_at)} until {view.full(drain.ends_at)}{reason}"


def _lines(found: wire.Drained, view: View) -> Iterator[tuple[str, str]]:
    for drain in found.drains:
        yield "drained" if drain.ends_at > drain.starts_at else "taken back", f"{drain.node} {planned(drain, view)}"
    for one in found.moved:
        yield "moved", f"{one.lease} of {one.company}, {_how(one, view)}"
    for one in found.running:
        yield "running", f"{one.lease} of {one.company} goes on to its end"
    if found.empty_from is not None:
        yield "empty", f"from {view.full(found.empty_from)}"
    if not found.moved and not found.running:
        yield "touches", "no lease"


def _how(one: wire.Touched, view: View) -> str:
    if one.state is wire.LeaseState.QUEUED:
        return "back to the queue: no place is left within the booking horizon"
    if one.slipped_s and one.promised_start is not None:
        return f"promised {times.show_duration(one.slipped_s)} later: {view.full(one.promised_start)}"
    if one.starts_at == one.starts_at_before:
        return "to other nodes, at the same start"
    return "within its promise" if one.starts_at is None else f"to {view.full(one.starts_at)}, within its promise"
