"""How Dure is, in a few lines: which version answers, who leads, the database, the agents, and what needs somebody."""

from collections.abc import Iterator
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from dure import times, wire
from dure.render.doctoring import mark
from dure.render.view import View, facts
from dure.sizes import show_size

MOST_ALARMS = 6
"""So many are shown; `dure doctor` has them all."""

HERE_S = 20
"""A process that was seen by then is there."""

HEARD_S, LATE_S = 15, 5
"""A leader that said nothing for longer is not heard of; one whose turn, or whose word of it, is older than that is late."""


def house(found: wire.Checkup, server: str, view: View) -> RenderableType:
    """Then what needs somebody now, if anything does."""
    rows: list[tuple[str, str | Text]] = [("API", f"dure {found.version} at {server}"), *_lines(found)]
    alarms = [one for one in found.findings if one.ok is False and one.essential]
    return Group(facts(rows), *_alarms(alarms, view))


def _lines(found: wire.Checkup) -> Iterator[tuple[str, str | Text]]:
    if found.database is None:
        return
    yield "leads", _leads(found)
    yield "database", _database(found.database)
    if found.agents is not None:
        yield "agents", _agents(found.agents)
    if found.ledger is not None:
        at = times.show_distance(min(found.ledger.at, found.at), found.at)
        yield "ledger", f"{found.ledger.faults or 'no'} faults when it was added up {at}"


def _leads(found: wire.Checkup) -> Text:
    """By what schedulers said lately."""
    here = [one for one in found.processes if one.kind == "scheduler" and _is_here(one, found)]
    leaders, standby = [one for one in here if one.leads], sum(not one.leads for one in here)
    by = f", {standby} more stand{'s' if standby == 1 else ''} by" if standby else ", and nobody stands by"
    if not leaders:
        return Text(f"nobody{by if standby else ': no scheduler is there'}", "red")
    return Text(", ").join(_leader(one, found.at) for one in leaders).append(by)


def _leader(one: wire.CheckedProcess, now: datetime) -> Text:
    """How long ago it turned. What it said is some seconds old when it is read, which makes nobody late."""
    if one.turned_at is None:
        return Text(f"{one.name}, whose loop has not turned yet", "yellow")
    silent_s, ago = (
        (now - one.seen_at).total_seconds(),
        times.show_span(max(0, int((now - one.turned_at).total_seconds()))),
    )
    if silent_s > HEARD_S:
        return Text(f"{one.name}, which is not heard of and last turned {ago} ago", "red")
    late = silent_s > LATE_S or (one.seen_at - one.turned_at).total_seconds() > LATE_S
    return Text(f"{one.name}, which turned {ago} ago", "yellow" if late else "")


def _is_here(one: wire.CheckedProcess, found: wire.Checkup) -> bool:
    return (found.at - one.seen_at).total_seconds() <= HERE_S


def _database(found: wire.CheckedDatabase) -> str:
    size = show_size(found.size_bytes)
    archive = "its log is archived" if found.archiving else "its log is not archived"
    return (
        f"PostgreSQL {found.version}, {size}, {found.connections} of {found.most_connections} connections, "
        f"answers in {found.round_trip_us / 1000:.1f} ms, {archive}"
    )


def _agents(found: wire.CheckedAgents) -> str:
    said = f"{found.reporting} of {found.nodes} nodes report"
    more = [
        f"{number} {word}" for number, word in ((found.silent, "silent"), (found.never, "never heard of")) if number
    ]
    return ", ".join([said, *more])


def _alarms(found: list[wire.Finding], view: View) -> Iterator[RenderableType]:
    if not found:
        return
    more = len(found) - MOST_ALARMS
    yield Text()
    yield Text("needs somebody", style="bold")
    yield facts([(f"{mark(one)}", f"{one.check}: {view.clause(one.said)}") for one in found[:MOST_ALARMS]])
    if more > 0:
        yield Text(f"and {more} more: dure doctor")
