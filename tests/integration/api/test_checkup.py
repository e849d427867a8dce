"""How Dure is, asked of the API: what the store reads becomes findings, also while the database gives no answer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import text
from sqlmodel import col, update

from agents.scenario.fleet import Scenario
from agents.simulated.driver import SimulatedDriver
from api import checking
from dure import wire
from dure.errors import Unavailable
from scheduler.bounded import Bounded, Crowded
from scheduler.clock import DatabaseClock
from scheduler.presence import Loops, Presence
from scheduler.store import checked_house, join_tokens, webhooks
from scheduler.store.db import SCHEMA_HEAD, Database
from scheduler.store.tables import Cluster, Gpu, Pool, Process, Token
from tests.integration.api.conftest import Site, code
from tests.integration.scheduler.conftest import ADMIN, T0


def checkup(site: Site, who: str = "admin") -> wire.Checkup:
    answer = site.get(who, "/v1/checkup")
    assert answer.status_code == 200, answer.text
    return wire.Checkup.model_validate_json(answer.content)


def of(found: wire.Checkup, check: str) -> list[wire.Finding]:
    return [one for one in found.findings if one.check == check]


def said(found: wire.Checkup, check: str) -> str:
    return "; ".join(one.said for one in of(found, check))


def run(site: Site, statement: str, **values: Any) -> None:
    with site.world.db.begin() as session:
        session.connection().execute(text(statement), values)


def a_scheduler(site: Site, name: str, *, leads: bool, seen_at: float = T0, turned_at: float | None = T0) -> None:
    with site.world.db.begin() as session:
        session.merge(
            Process(
                name=name,
                kind="scheduler",
                version="0.1.0",
                started_at=T0 - 60,
                seen_at=seen_at,
                leads=leads,
                turned_at=turned_at,
                step_s=0.0,
            )
        )


def test_a_house_in_order_is_told_with_numbers(site: Site) -> None:
    a_scheduler(site, "one:7", leads=True)
    a_scheduler(site, "two:7", leads=False)
    found = checkup(site)
    assert found.database is not None
    assert found.database.schema_version == found.database.wanted_schema_version == SCHEMA_HEAD
    assert found.database.size_bytes > 1 << 20
    assert 0 < found.database.connections <= found.database.most_connections
    assert not found.database.archiving
    assert (found.agents and found.agents.nodes, found.agents and found.agents.reporting) == (2, 2)
    assert [(one.name, one.leads) for one in found.processes] == [("one:7", True), ("two:7", False)]
    for check in ("database", "migrations", "clock", "scheduler", "GPUs", "leases", "webhooks", "tokens"):
        assert [one.ok for one in of(found, check)] in ([True], [True, True]), said(found, check)
    assert "one:7 leads" in said(found, "scheduler")
    assert [one.essential for one in of(found, "pools")] == [False]
    assert "enforced by nobody, as they name no cluster: h100:" in said(found, "pools")


def test_admins_and_operators_may_ask_and_nobody_else(site: Site) -> None:
    assert [site.get(who, "/v1/checkup").status_code for who in ("admin", "operator")] == [200, 200]
    for who in ("auditor", "acme", "n1"):
        assert code(site.get(who, "/v1/checkup")) == (403, "forbidden")
    assert code(site.get(None, "/v1/checkup")) == (401, "token_missing")
    wrong = httpx.get(f"{site.url}/v1/checkup", headers={"Authorization": "Bearer no"}, trust_env=False, timeout=120)
    assert code(wrong) == (401, "token_invalid")


def test_a_scheduler_that_is_silent_or_whose_loop_stands_still_is_found(site: Site) -> None:
    assert "none was ever seen" in said(checkup(site), "scheduler")
    a_scheduler(site, "one:7", leads=True, turned_at=T0 - 100)
    assert "its loop has not turned for 1m40s" in said(checkup(site), "scheduler")
    a_scheduler(site, "one:7", leads=True, seen_at=T0 - 100)
    assert "no scheduler is there (the last was seen 1m40s ago)" in said(checkup(site), "scheduler")
    a_scheduler(site, "two:7", leads=False)
    assert "two:7 stands by and nobody leads" in said(checkup(site), "scheduler")


def test_agents_that_are_silent_or_let_in_no_more_are_named(site: Site) -> None:
    site.world.report("n1", now=T0 + 1, sent_at=T0 + 60)
    run(site, "UPDATE node SET state = 'unknown' WHERE name = 'n2'")
    run(site, "UPDATE token SET revoked_at = now() WHERE node = 'n2'")
    found = checkup(site)
    assert "silent: n2" in said(found, "agents")
    assert "n1 (+59 s)" in said(found, "agents")
    assert "nothing lets in the agents of n2" in said(found, "credentials")
    assert found.agents is not None
    assert (found.agents.reporting, found.agents.silent, found.agents.versions) == (1, 1, {"1": 2})


def test_agents_that_ask_who_is_on_a_gpu_only_where_a_lease_ends_are_well(site: Site) -> None:
    world = site.world
    world.turn(T0)
    lease = world.ask(8)
    world.turn(T0)
    ended = T0 + 10
    world.lease(lease)
    world.release(lease, now=ended)
    world.turn(ended)
    mine = {gpu.uuid for gpu in world.lease(lease).gpus}
    [node] = {gpu.node for gpu in world.lease(lease).gpus}
    other = "n2" if node == "n1" else "n1"

    def blind(at: float, **more: Any) -> list[str]:
        world.report(node, now=at, **{"processes": None, **more})
        world.report(other, now=at, processes=None)
        site.clock.at = at
        return [one.said for one in of(checkup(site), "agents") if "see who" in one.said]

    assert blind(ended + 1) == [], "nobody asked yet"
    assert blind(ended + 120, busy=sorted(mine)) == [], "somebody is on it, and is seen"
    assert blind(ended + 121, health="suspect") == [], "a GPU that does not answer says nothing of its agent"
    [found] = blind(ended + 122)
    assert f"prove none empty: {node}: give the agent hostPID" in found


def test_a_fleet_of_agents_as_they_are_shipped_is_called_blind_by_nobody(site: Site) -> None:
    simulated = SimulatedDriver(Scenario(seed=7, gpus=8), node="n1").read()
    [processes] = {gpu.processes for gpu in simulated.gpus}
    assert processes is None, "between the edges of leases nobody asks"
    for node in ("n1", "n2"):
        site.world.report(node, now=T0 + 1, processes=processes)
    site.world.turn(T0 + 1)
    lease = site.world.ask(8, now=T0 + 1)
    site.world.turn(T0 + 1)
    assert site.world.lease(lease).state is wire.LeaseState.ACTIVE
    for node in ("n1", "n2"):
        site.world.report(node, now=T0 + 90, processes=processes)
    assert "see who" not in said(checkup(site), "agents")


def test_a_join_token_lets_an_agent_in_until_it_ends(site: Site) -> None:
    with site.world.db.begin() as session:
        join_tokens.issue(session, "n3", wire.JoinTokenIssue(lasts_s=600), actor=ADMIN, now=T0)
    [found] = of(checkup(site), "credentials")
    assert (found.essential, "n3 (within 10m)" in found.said) == (False, True), found.said
    site.clock.at = T0 + 601
    assert "nothing lets in the agents of n3" in said(checkup(site), "credentials")


def test_a_node_that_never_reported_is_counted_apart(site: Site) -> None:
    site.post("admin", "/v1/nodes", json={"name": "n3"}).raise_for_status()
    found = checkup(site)
    assert found.agents is not None
    assert (found.agents.nodes, found.agents.reporting, found.agents.never) == (3, 2, 1)
    assert "never heard of" not in said(found, "agents"), "it has an hour for that"


def test_sick_and_unproved_gpus_and_violations_are_named_by_node(site: Site) -> None:
    site.world.report("n1", now=T0 + 1, sick=[0, 1])
    with site.world.db.begin() as session:
        session.exec(update(Gpu).where(col(Gpu.uuid) == "GPU-n2-3").values(quarantined=True))
    run(
        site,
        "INSERT INTO violation (id, node, gpu, kind, who, pool, began_at, seen_at, done, found_by, evidence) "
        "VALUES ('vio_1', 'n2', 'GPU-n2-3', 'process', '77', 'h100', now(), now(), 'observed', 'agent', '{}')",
    )
    found = checkup(site)
    assert "unhealthy: 2 on n1" in said(found, "GPUs")
    assert "suspect" not in said(found, "GPUs")
    assert "not proved empty by the end of the gap: 1 on n2" in said(found, "GPUs")
    assert said(found, "violations").startswith("1 violation now, in h100")
    site.world.report("n1", now=T0 + 2, health="suspect")
    assert [(one.essential, "8 on n1" in one.said) for one in of(checkup(site), "GPUs") if "suspect" in one.said] == [
        (False, True)
    ]


def test_a_pool_that_nobody_enforces_and_a_quota_over_its_pool_are_found(site: Site) -> None:
    with site.world.db.begin() as session:
        session.exec(update(Pool).values(cluster="edge"))
    site.world.set_quota("acme", 99, now=T0)
    assert "no scheduler is told of" in said(checkup(site), "pools")
    assert "acme in h100 (99 of 16)" in said(checkup(site), "quotas")
    with site.world.db.begin() as session:
        session.add(Cluster(name="edge", heard_at=T0 - 600))
    assert said(checkup(site), "clusters").startswith("edge last answered the scheduler 10m ago")


def test_a_lease_past_its_end_is_named(site: Site) -> None:
    site.world.turn(T0)
    lease = site.world.ask(8)
    site.world.turn(T0)
    site.clock.at = T0 + 200
    assert f"past their end and not over: {lease.id}" in said(checkup(site), "leases")


def test_webhooks_and_tokens_that_need_somebody_are_named(site: Site) -> None:
    with site.world.db.begin() as session:
        body = wire.WebhookCreate(url="https://203.0.113.7/x?secret=hush", company="acme")
        made = webhooks.add(session, body, actor=ADMIN, now=T0)
        session.exec(update(Token).where(col(Token.company) == "acme").values(expires_at=T0 + 3 * 86_400))
    run(site, "UPDATE webhook SET failures = 3, failing_since = to_timestamp(:at)", at=T0 - 7200)
    found = checkup(site)
    assert f"not taken: {made.webhook.id} of acme for 2h" in said(found, "webhooks")
    assert "(company, in 3d)" in said(found, "tokens")
    assert "hush" not in found.model_dump_json()


def test_the_ledger_is_said_to_be_verified_once_all_of_it_was(site: Site) -> None:
    assert [one.ok for one in of(checkup(site), "ledger")] == [None]
    assert site.get("admin", "/v1/ledger/verify", params={"pool": "h100"}).status_code == 200
    assert site.get("acme", "/v1/ledger/verify").status_code == 200
    assert checkup(site).ledger is None
    site.get("auditor", "/v1/ledger/verify")
    found = checkup(site)
    assert [one.ok for one in of(found, "ledger")] == [True]
    run(site, "UPDATE ledger_verified SET faults = 2")
    assert "2 faults" in said(checkup(site), "ledger")


def test_migrations_that_run_and_a_schema_of_another_version_are_told(site: Site) -> None:
    with psycopg.connect(site.world.db.url) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [checked_house.MIGRATIONS_LOCK])
        assert "migrations run now" in said(checkup(site), "migrations")
    with psycopg.connect(site.world.db.url) as owner:
        owner.execute("UPDATE schema_fit SET revision = 'before' WHERE revision = %s", [SCHEMA_HEAD])
    found = checkup(site)
    assert "the database has schema before" in said(found, "migrations")
    assert found.database is None
    assert [one.ok for one in of(found, "everything else")] == [None]


@contextmanager
def frozen(site: Site) -> Iterator[None]:
    """Every question about the schema waits for what somebody else holds, and ends before this does."""
    with psycopg.connect(site.world.db.url) as other:
        other.execute("LOCK TABLE schema_fit IN ACCESS EXCLUSIVE MODE")
        yield
    ended()


def ended() -> None:
    """What was waited for no longer has ended by itself."""
    for thread in threading.enumerate():
        if thread.name == "within":
            thread.join(60)


def test_a_database_that_hangs_is_told_within_seconds(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "LONGEST_S", 0.3)
    with frozen(site):
        assert "the database did not answer within 0.3 s" in said(checkup(site), "database")
    monkeypatch.undo()
    assert checkup(site).database is not None


def test_who_asks_while_others_wait_is_answered_at_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "LONGEST_S", 3600)  # a request that waits for its turn is never answered here
    end = threading.Event()
    for _ in range(2):
        with pytest.raises(Unavailable):
            site.app.state.parts.bounded.within(0.01, end.wait)
    try:
        crowded = httpx.get(
            f"{site.url}/v1/checkup", headers={"Authorization": "Bearer x"}, trust_env=False, timeout=60
        )
        assert code(crowded) == (503, "unavailable")
        assert int(crowded.headers["Retry-After"]) > 0
        assert site.get("admin", "/v1/pools").status_code == 200
    finally:
        end.set()
        ended()


@contextmanager
def away(site: Site) -> Iterator[None]:
    """The API's own database is nowhere."""
    parts = site.app.state.parts
    nowhere = Database("postgresql://nobody@127.0.0.1:1/nothing")
    object.__setattr__(parts, "db", nowhere)
    try:
        yield
    finally:
        object.__setattr__(parts, "db", site.world.db)
        nowhere.close()


def test_while_the_database_is_away_that_is_a_finding_and_nothing_else_is_said(site: Site) -> None:
    with away(site):
        found = checkup(site)
        plain, keyed = (
            site.get("admin", "/v1/pools"),
            site.post("admin", "/v1/nodes", json={"name": "n9"}, headers={"Idempotency-Key": "k"}),
        )
        assert code(plain) == code(keyed) == (503, "unavailable")
        assert ["Idempotency-Key" in one.json()["detail"] for one in (plain, keyed)] == [False, True]
        assert code(site.get(None, "/v1/checkup")) == (401, "token_missing")
    assert [(one.check, one.ok) for one in found.findings] == [("database", False), ("everything else", None)]
    assert (found.processes, found.agents, found.ledger) == ([], None, None)


def test_a_database_that_was_just_killed_is_away_though_it_answers_again(site: Site) -> None:
    assert checkup(site).database is not None
    with psycopg.connect(site.world.db.url, autocommit=True) as owner:
        owner.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    found = checkup(site)
    assert [(one.check, one.ok) for one in found.findings] == [("database", False), ("everything else", None)]
    assert "see whether PostgreSQL runs, and DURE_DATABASE_URL" in said(found, "database")
    assert checkup(site).database is not None


def test_a_process_says_that_it_is_there_and_is_forgotten_after_a_day(any_database: Database) -> None:
    clock = DatabaseClock(any_database)
    presence = Presence("scheduler", any_database, clock, lambda: Loops(leads=True, turned_at=clock.now()))
    with any_database.begin() as session:
        long_ago = clock.now() - 90_000
        session.add(Process(name="gone:1", kind="api", version="0", started_at=long_ago, seen_at=long_ago))
    presence.say()
    presence.say()
    with any_database.snapshot() as session:
        [found] = checked_house.heard(session)
        assert checked_house.database(session).number >= 150_000
    assert (found.kind, found.leads) == ("scheduler", True)
    assert found.turned_at is not None
    assert found.turned_at >= found.started_at
    assert not found.name.startswith("gone")


def test_what_hangs_is_not_waited_for_and_holds_two_threads_at_most() -> None:

    bounded, end = Bounded(), threading.Event()
    for _ in range(2):
        with pytest.raises(Unavailable, match="did not answer"):
            bounded.within(0.01, end.wait)
    with pytest.raises(Crowded):
        bounded.within(3600, end.wait, waits=False)
    end.set()
    ended()
    assert bounded.within(60, lambda: 7) == 7
