"""The answer of `GET /v1/checkup`, of the facts; also where the database does not give any. Pure."""

from collections import Counter

from dure import wire
from scheduler.checkup import facts, fleet, house
from scheduler.checkup.sentences import unseen, wrong
from scheduler.store.times import to_wire

BEYOND = "everything else"
"""The check of what only the database could tell."""


def whole(found: facts.House, *, schema: str, version: str, now: float) -> wire.Checkup:
    """`schema` is the migration that this API needs."""
    receiving = found.receiving_since is not None
    said = [
        *house.findings(found, schema=schema, version=version, now=now),
        *fleet.findings(found.fleet, version=version, receiving=receiving, now=now),
    ]
    return wire.Checkup(
        at=to_wire(int(now)),
        version=version,
        database=_database(found.database, schema),
        processes=[_process(one) for one in found.processes],
        agents=_agents(found.fleet),
        ledger=None if found.ledger is None else _ledger(found.ledger),
        findings=said,
    )


def away(why: str, *, schema_differs: bool, version: str, now: float) -> wire.Checkup:
    """Where the database does not answer, or has a schema that is not this API's: what may be said to everybody."""
    first = (
        wrong("migrations", why)
        if schema_differs
        else wrong("database", f"{why}: see whether PostgreSQL runs, and DURE_DATABASE_URL of the API")
    )
    rest = unseen(BEYOND, "cannot be looked at: only the database could tell; look again when it is there")
    return wire.Checkup(
        at=to_wire(int(now)),
        version=version,
        database=None,
        processes=[],
        agents=None,
        ledger=None,
        findings=[first, rest],
    )


def _database(found: facts.Database, schema: str) -> wire.CheckedDatabase:
    return wire.CheckedDatabase(
        version=found.version,
        size_bytes=found.size_bytes,
        connections=found.connections,
        most_connections=found.most_connections,
        round_trip_us=int(found.round_trip_s * 1_000_000),
        archiving=found.archiving,
        archived_at=None if found.archived_at is None else to_wire(int(found.archived_at)),
        schema_version=found.schema,
        wanted_schema_version=schema,
    )


def _process(found: facts.Process) -> wire.CheckedProcess:
    return wire.CheckedProcess(
        name=found.name,
        kind="api" if found.kind == "api" else "scheduler",
        version=found.version,
        started_at=to_wire(int(found.started_at)),
        seen_at=to_wire(int(found.seen_at)),
        leads=found.leads,
        turned_at=None if found.turned_at is None else to_wire(int(found.turned_at)),
    )


def _agents(found: facts.Fleet) -> wire.CheckedAgents:
    of = Counter(one.state for one in found.agents)
    versions = Counter(one.version for one in found.agents if one.version is not None)
    return wire.CheckedAgents(
        nodes=len(found.agents),
        reporting=of["ok"],
        silent=of["unknown"],
        never=of["enrolled"],
        versions=dict(sorted(versions.items())),
    )


def _ledger(found: facts.Ledger) -> wire.CheckedLedger:
    return wire.CheckedLedger(
        at=to_wire(int(found.at)), accounts=found.accounts, entries=found.entries, faults=found.faults
    )
