"""Every act of a person is in the audit log: who, what, when, before and after, and by which request."""

from sqlalchemy import text

from dure import wire
from scheduler.store import audit, quotas, tokens
from tests.integration.scheduler.conftest import ADMIN, T0, World


def _audit(world: World) -> list[tuple[str, str, str]]:
    with world.db.snapshot() as session:
        rows = session.connection().execute(text("SELECT actor, action, subject FROM audit ORDER BY seq"))
        return [(row.actor, row.action, row.subject) for row in rows]


def test_every_act_is_written_down(world: World) -> None:
    before = len(_audit(world))
    lease = world.ask(8)
    world.turn(T0)
    world.release(lease, now=T0 + 5)
    booked = world.ask(8, now=T0 + 6, start="2027-01-15T09:00:00Z")
    world.cancel(booked, now=T0 + 7)
    with world.db.begin() as session:
        issued = tokens.issue(session, wire.TokenIssue(role=wire.Role.ADMIN), actor=ADMIN, now=T0)
        tokens.revoke(session, issued.token.id, actor=ADMIN, now=T0)
    acme, admin = "company:acme:tok_acme", "admin:tok_admin"
    assert _audit(world)[before:] == [
        (acme, "lease.ask", lease.id),
        (acme, "lease.release", lease.id),
        (acme, "lease.ask", booked.id),
        (acme, "lease.cancel", booked.id),
        (admin, "token.issue", issued.token.id),
        (admin, "token.revoke", issued.token.id),
    ]


def test_a_change_has_its_before_its_after_and_its_request(world: World) -> None:
    with world.db.begin() as session:
        session.info[audit.REQUEST_ID] = "req_1"
        quotas.put(session, "acme", "h100", wire.QuotaSet(gpus=3), actor=ADMIN, now=T0)
    with world.db.snapshot() as session:
        query = text("SELECT action, before, after, request_id FROM audit ORDER BY seq DESC LIMIT 1")
        row = session.connection().execute(query).one()
    assert (row.action, row.before, row.after, row.request_id) == ("quota.set", {"gpus": 16}, {"gpus": 3}, "req_1")
