"""Events: what happened, as a table or a line each."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from dure import times, wire
from dure.render.view import View, table, timed

UNSAID = frozenset({"decision", "in_s", "webhook"})
"""Of what an event says for programs, people are told this in other words or not at all."""

_STARTS = frozenset({"starts_at", "starts_at_before", "promised_start", "promised_start_before"})
"""Said of a lease that is planned in the words of people."""

_ENDS = frozenset({"ends_at", "ends_at_before"})
"""The same of one that runs, where it is its own end and not a drain's."""

_DRAIN = frozenset({"node", "drain", "drain_starts_at", "drain_ends_at", "reason"})
"""Said of the drain that moved a lease, in one."""

_PLANNED = frozenset({wire.LeaseState.SCHEDULED})
_RUNNING = frozenset({wire.LeaseState.ACTIVE, wire.LeaseState.ENDING})


def events(found: Iterable[wire.Event], view: View) -> RenderableType:
    """In order, one a line."""
    shown = list(found)
    if not shown:
        return Text("no events")
    alone = len({one.company for one in shown}) == 1
    made = table(
        *("AT", "WHAT", "LEASE", "COMPANY", "CAUSE", "MORE", "EVENT"),
        rows=lambda view: [
            (
                view.short(one.at),
                one.type,
                one.lease or view.none,
                one.company,
                one.data.cause or view.none,
                ", ".join(_more(one, view)) or view.none,
                one.id,
            )
            for one in shown
        ],
        view=view,
        loose=("MORE",),
        drop=("COMPANY", "EVENT", "CAUSE") if alone else ("EVENT", "CAUSE", "COMPANY"),
    )
    return timed(made, view)


def line(event: wire.Event, view: View) -> str:
    """One event as it comes."""
    cause = [] if event.data.cause is None else [f"because {event.data.cause}"]
    said = ", ".join([*cause, *_more(event, view)])
    return "  ".join(filter(None, (times.show_instant(event.at, view.zone), event.type, event.lease, said)))


def _more(event: wire.Event, view: View) -> Iterator[str]:
    data = event.data
    told = UNSAID
    if data.state in _PLANNED and data.starts_at is not None:
        told |= _STARTS
        yield f"starts {view.short(data.starts_at)}{_was(data.detail.get('starts_at_before'), data.starts_at, view)}"
        if data.promised_start != data.starts_at or "promised_start_before" in data.detail:
            before = _was(data.detail.get("promised_start_before"), data.promised_start, view)
            yield f"promised {view.short(data.promised_start)}{before}"
    if data.state in _RUNNING and data.stops_at is not None:
        yield f"ends {view.short(data.stops_at)}{_was(data.detail.get('ends_at_before'), data.stops_at, view)}"
        if "ends_at_before" in data.detail:
            told |= _ENDS
    if "drain" in data.detail:
        told |= _DRAIN
        yield _drained(data.detail, view)
    for name, value in data.detail.items():
        if value is not None and name not in told:
            yield f"{name} {value}"


def _drained(detail: Mapping[str, int | str | None], view: View) -> str:
    start, end = (
        view.short(datetime.fromisoformat(str(detail[name]))) for name in ("drain_starts_at", "drain_ends_at")
    )
    reason = detail.get("reason")
    return f"{detail.get('node')} is drained from {start} to {end}{f': {reason}' if reason else ''}"


def _was(before: int | str | None, now: datetime | None, view: View) -> str:
    """What it was before, where it was something else."""
    if not isinstance(before, str) or datetime.fromisoformat(before) == now:
        return ""
    return f" (was {view.short(datetime.fromisoformat(before))})"
