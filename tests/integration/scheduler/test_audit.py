"""Every act of a person is in the audit log: who, what, when, before and after, and by which request."""

from sqlalchemy import text

from dure import wire
from scheduler.store import audit, defaults, nodes, quotas, tokens, webhooks
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


def _last(world: World) -> tuple[str, object, object]:
    with world.db.snapshot() as session:
        query = text("SELECT action, before, after FROM audit ORDER BY seq DESC LIMIT 1")
        row = session.connection().execute(query).one()
    return row.action, row.before, row.after


def test_whatever_is_done_to_a_webhook_says_which_address_it_is(world: World) -> None:
    url, why = "https://203.0.113.7/hook", "it answered 410"
    which = {"company": "acme", "url": url, "label": None}
    with world.db.begin() as session:
        body = wire.WebhookCreate(company="acme", url=url)
        hook = webhooks.add(session, body, actor=ADMIN, now=T0).webhook.id
    with world.db.begin() as session:
        webhooks.rotate(session, hook, actor=ADMIN, now=T0)
    assert _last(world) == ("webhook.rotate", None, which | {"old_secret_until": "2027-01-16T08:00:00Z"})
    with world.db.begin() as session:
        webhooks.disable(session, webhooks.row(session, hook, actor=ADMIN), cause="dead", reason=why, now=T0)
    assert _last(world) == ("webhook.disable", None, which | {"reason": why})
    with world.db.begin() as session:
        webhooks.enable(session, hook, actor=ADMIN, now=T0)
    assert _last(world) == ("webhook.enable", {"disabled_at": "2027-01-15T08:00:00Z", "reason": why}, which)
    with world.db.begin() as session:
        webhooks.remove(session, hook, actor=ADMIN, now=T0)
    assert _last(world) == ("webhook.remove", which, None)


def test_a_nodes_new_token_stands_beside_those_that_it_ended(world: World) -> None:
    for before, renew in ((False, False), (True, True)):
        with world.db.begin() as session:
            had = _last(world)[2] if before else None
            issued = nodes.enroll(session, wire.NodeEnroll(name="n9"), actor=ADMIN, now=T0, renew=renew)
        assert _last(world) == ("node.enroll", had, {"tokens": [issued.token.id]})


def test_a_quota_that_is_set_as_it_is_changes_nothing_and_is_not_written_down(world: World) -> None:
    said = len(_audit(world))
    for gpus in (3, 3):
        with world.db.begin() as session:
            quotas.put(session, "acme", "h100", wire.QuotaSet(gpus=gpus), actor=ADMIN, now=T0)
    assert len(_audit(world)) == said + 1


def test_a_default_that_becomes_a_companys_own_is_a_change(world: World) -> None:
    with world.db.begin() as session:
        defaults.put(session, "h100", wire.QuotaSet(gpus=3), actor=ADMIN, now=T0)
        quotas.remove(session, "acme", "h100", actor=ADMIN, now=T0)
        quotas.put(session, "acme", "h100", wire.QuotaSet(gpus=3), actor=ADMIN, now=T0)
    assert _last(world) == ("quota.set", {"gpus": 3, "of_default": True}, {"gpus": 3})


def test_a_change_has_its_before_its_after_and_its_request(world: World) -> None:
    with world.db.begin() as session:
        session.info[audit.REQUEST_ID] = "req_1"
        quotas.put(session, "acme", "h100", wire.QuotaSet(gpus=3), actor=ADMIN, now=T0)
    with world.db.snapshot() as session:
        query = text("SELECT action, before, after, request_id FROM audit ORDER BY seq DESC LIMIT 1")
        row = session.connection().execute(query).one()
    assert (row.action, row.before, row.after, row.request_id) == ("quota.set", {"gpus": 16}, {"gpus": 3}, "req_1")
