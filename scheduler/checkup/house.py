"""Findings about the database, its schema, the clocks, the processes and the ledger. Pure: facts and `now` in."""

from collections.abc import Sequence

from dure import wire
from dure.sizes import show_size
from scheduler.checkup.facts import Database, House, Ledger, Process
from scheduler.checkup.sentences import count, fine, names, span, unseen, worth_knowing, wrong

OLDEST = 150_000
"""PostgreSQL 15, as `server_version_num`."""

FULL_PPM = 850_000
"""So much of the connections in use is nearly all of them."""

SLOW_S = 0.05
"""A question that asks nothing takes longer than that only over a bad way, or where the database has too much to do."""

ARCHIVED_WITHIN_S = 3600.0

SEEN_WITHIN_S = 20.0
"""A process that said nothing for longer is gone, or stands still."""

TURNED_WITHIN_S = 15.0
"""A leader's loop turns at least once a second."""

APART_S = 2.0
STEP_S = 5.0
"""As `scheduler.clock` has it: beyond that no lease is ended."""

VERIFIED_WITHIN_S = 4 * 3600.0
"""As the alert DureLedgerUnverified has it."""


def findings(found: House, *, schema: str, version: str, now: float) -> list[wire.Finding]:
    """`schema` is the migration that the code needs, and `version` that of the API."""
    return [
        *database(found.database, now=now),
        migrations(found.database, schema),
        *clock(found, now=now),
        *schedulers(found.processes, now=now),
        versions(found.processes, version, now=now),
        ledger(found.ledger, now=now),
    ]


def database(found: Database, *, now: float) -> list[wire.Finding]:
    """Version, size, connections, how long it takes to answer, and whether its log is archived."""
    made: list[wire.Finding] = []
    if found.number < OLDEST:
        made.append(wrong("database", f"PostgreSQL is {found.version}; 15 or newer is needed: upgrade it"))
    if found.connections * 1_000_000 > found.most_connections * FULL_PPM:
        made.append(
            wrong(
                "database",
                f"{found.connections} of {found.most_connections} connections are in use: raise max_connections, or lower "
                "DURE_API_CONNECTIONS or the number of API replicas",
            )
        )
    if found.round_trip_s > SLOW_S:
        said = f"it takes {found.round_trip_s * 1000:.0f} ms to answer a question that asks nothing"
        made.append(worth_knowing("database", f"{said}: look at its load, and at the network between it and the API"))
    archive = _archive(found, now)
    return [*(made or [fine("database", _database(found))]), archive]


def _database(found: Database) -> str:
    return (
        f"PostgreSQL {found.version}, {show_size(found.size_bytes)}, {found.connections} of {found.most_connections} connections, "
        f"answers in {found.round_trip_s * 1000:.1f} ms"
    )


def _archive(found: Database, now: float) -> wire.Finding:
    check, failed, archived = "archiving", found.archive_failed_at, found.archived_at
    if not found.archiving:
        said = "the database's log is not archived, so no point in time can be recovered: see docs/recovery.md"
        return worth_knowing(check, said)
    if failed is not None and failed > (archived or 0.0):
        return wrong(check, f"archiving the log last failed {span(now - failed)} ago: see PostgreSQL's own log for why")
    if archived is None:
        return unseen(check, "it is on, and nothing was archived yet: look again in an hour", essential=False)
    if now - archived > ARCHIVED_WITHIN_S:
        said = f"nothing was archived for {span(now - archived)}: set archive_timeout, or see PostgreSQL's own log"
        return worth_knowing(check, said)
    return fine(check, f"the log was last archived {span(now - archived)} ago")


def migrations(found: Database, wanted: str) -> wire.Finding:
    check = "migrations"
    if found.migrating:
        return wrong(check, f"migrations run now, the schema is {found.schema or 'none'}: wait, and look again")
    if found.schema != wanted:
        # The API would not have looked further if it could not work with it.
        return worth_knowing(check, f"the schema is {found.schema}, this API was made for {wanted}: finish the upgrade")
    return fine(check, f"the schema {found.schema} is the one that this API needs")


def clock(found: House, *, now: float) -> list[wire.Finding]:
    """The database's clock is the only one that decides; the others are compared with it."""
    check = "clock"
    stepped = [one for one in _seen(found.processes, now) if one.step_s is not None and abs(one.step_s) > STEP_S]
    made = [
        wrong(
            check,
            f"the database's clock stepped by {one.step_s:+.1f} s for {one.name}, so it ends no lease: put the database's clock "
            "right, or if it is right now, restart that process",
        )
        for one in stepped
    ]
    apart = found.machine_offset_s
    if apart is not None and abs(apart) > APART_S:
        ahead = "ahead of" if apart > 0 else "behind"
        said = f"the API's machine is {span(apart)} {ahead} the database's clock: let NTP set both"
        made.append(worth_knowing(check, said))
    if made:
        return made
    near = "" if apart is None else f", and that of the API's machine is {abs(apart) * 1000:.0f} ms from it"
    return [fine(check, f"no step of the database's clock was seen{near}")]


def schedulers(found: Sequence[Process], *, now: float) -> list[wire.Finding]:
    """Who leads, whether its loop turns, and whether anybody could take over."""
    check = "scheduler"
    here = [one for one in _seen(found, now) if one.kind == "scheduler"]
    leaders, others = [one for one in here if one.leads], [one for one in here if not one.leads]
    if not here:
        gone = max((one.seen_at for one in found if one.kind == "scheduler"), default=None)
        last = "none was ever seen" if gone is None else f"the last was seen {span(now - gone)} ago"
        said = f"no scheduler is there ({last}), so nothing starts or ends: start it, or see its log"
        return [wrong(check, f"{said} (python -m scheduler)")]
    if not leaders:
        said = (
            f"{names([one.name for one in others])} stands by and nobody leads: look again in 20 s, then see their logs"
        )
        return [wrong(check, said)]
    leader = max(leaders, key=lambda one: one.turned_at or 0.0)
    standby = (
        fine(check, f"{names([one.name for one in others])} stands by")
        if others
        else worth_knowing(check, "no other scheduler stands by to take over: run a second one")
    )
    return [_leader(leader, now), standby]


def _leader(leader: Process, now: float) -> wire.Finding:
    turned = leader.turned_at
    if turned is None:
        return unseen("scheduler", f"{leader.name} leads, and its loop has not turned yet: look again in 20 s")
    # What a process said is some seconds old when it is read.
    behind = leader.seen_at - turned
    if behind > TURNED_WITHIN_S:
        said = f"{leader.name} leads, and its loop has not turned for {span(behind)}: see its log, or restart it"
        return wrong("scheduler", said)
    return fine("scheduler", f"{leader.name} leads, and its loop turned {span(now - turned)} ago")


def versions(found: Sequence[Process], version: str, *, now: float) -> wire.Finding:
    other = [one for one in _seen(found, now) if one.version != version]
    if other:
        said = names([f"{one.name} ({one.kind}) is {one.version}" for one in other])
        return worth_knowing("versions", f"this API is {version}, and {said}: finish the upgrade")
    others = len(_seen(found, now))
    return fine(
        "versions", f"this API is {version}" + (f", as all {others} processes that are there" if others else "")
    )


def ledger(found: Ledger | None, *, now: float) -> wire.Finding:
    check = "ledger"
    if found is None:
        said = "it was never added up again as a whole: dure ledger verify"
        return unseen(check, said, essential=False)
    if found.faults:
        said = f"{count(found.faults, 'fault')} when it was added up {span(now - found.at)} ago: dure ledger verify names them"
        return wrong(check, f"{said}; grant nothing by hand until it is known why")
    if now - found.at > VERIFIED_WITHIN_S:
        said = f"it was last added up {span(now - found.at)} ago: dure ledger verify"
        return worth_knowing(check, said)
    return fine(check, f"{found.entries} entries of {found.accounts} accounts added up {span(now - found.at)} ago")


def _seen(found: Sequence[Process], now: float) -> list[Process]:
    return [one for one in found if now - one.seen_at <= SEEN_WITHIN_S]
