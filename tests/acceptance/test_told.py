"""Being told while what tells is taken away: every event reaches a webhook at least once and a follower exactly once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

import pytest

from dure import wire
from dure.client import Client
from tests.acceptance.stack import Stack
from tests.receiver import receiver

pytestmark = pytest.mark.timeout(900)

POOL = "h100-80gb"


@contextmanager
def following(stack: Stack, secret: str, leases: int) -> Iterator[list[wire.Event]]:
    """What a follower hears, until so many leases have ended; it is waited for."""
    heard: list[wire.Event] = []
    ended: set[str | None] = set()

    def follow() -> None:
        with stack.client(secret) as client:
            for event in client.follow_events(after="evt_0"):
                heard.append(event)
                if event.type == "lease.ended":
                    ended.add(event.lease)
                if len(ended) == leases:
                    return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    yield heard
    thread.join(60)
    assert len(ended) == leases, f"{len(heard)} events were heard, and not the last"


def ask(client: Client, name: str) -> wire.Lease:
    # Without notice: nodes may be silent while a process starts again, and then it waits, and starts when they are heard.
    body = wire.Ask(pool=POOL, shape=wire.Shape(gpus=1), duration_s=3, notice_s=0, name=name)
    return client.ask(body, idempotency_key=name)


def take_away_the_database(stack: Stack) -> None:
    stack.postgres.stop()
    stack.postgres.start()


def kill(stack: Stack, name: str) -> None:
    stack.until_again(name, not_pid=stack.kill(name))


def test_everybody_is_told_everything_though_the_processes_and_the_database_are_taken_away(running: Stack) -> None:
    with running.client() as admin, receiver() as there:
        admin.add_pool(wire.PoolCreate(name=POOL, product="NVIDIA H100 80GB HBM3", gap_s=2, grace_s=1))
        admin.add_company(wire.CompanyCreate(name="acme"))
        admin.set_quota("acme", POOL, wire.QuotaSet(gpus=8))
        secret = admin.issue_token(wire.TokenIssue(role=wire.Role.COMPANY, company="acme")).secret
        running.until(lambda: admin.pool(POOL).gpus.get(wire.GpuState.FREE) == 8, "all GPUs are free")
        with running.client(secret) as acme, following(running, secret, leases=4) as heard:
            hook = acme.add_webhook(wire.WebhookCreate(url=there.url))
            harms = (
                lambda: kill(running, "scheduler"),
                lambda: kill(running, "api"),
                lambda: take_away_the_database(running),
            )
            for number, harm in enumerate(harms):
                ask(acme, f"lease-{number}")
                harm()
                running.until(lambda: next(acme.webhooks(), None), "the API answers again")
            ask(acme, "last")
            running.until(
                lambda: all(lease.state == wire.LeaseState.ENDED for lease in admin.leases()),
                "all are over",
                within_s=240,
            )
            written = [event.id for event in admin.events()]
            running.until(lambda: set(written) <= set(there.ids), "everything is told", within_s=300)
            running.until(lambda: acme.webhook(hook.webhook.id).pending == 0, "it is written down that it was taken")
        assert [event.id for event in admin.events()] == written
        assert [event.id for event in heard] == written[: len(heard)]
        assert written[len(heard) :] == []
        assert set(there.ids) == set(written)
        told = {got.headers["webhook-id"]: got.body for got in there.got}
        assert {wire.Event.model_validate_json(body).id for body in told.values()} == set(written)
        assert {delivery.state for delivery in islice(admin.deliveries(hook.webhook.id), 100)} == {"delivered"}
