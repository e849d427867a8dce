"""Webhooks from the commit of an event to the address that takes it, with a real address, database and lead."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from standardwebhooks import WebhookVerificationError

from dure import wire
from dure.errors import Forbidden, InvalidRequest, TooMany, UnknownCompany, UnknownWebhook
from scheduler import forgetting
from scheduler.loop import Loop
from scheduler.metrics import Counters
from scheduler.store import deliveries, webhooks
from scheduler.store.leader import Deposed, Lead
from scheduler.webhooks import retries
from scheduler.webhooks.courier import Courier
from scheduler.webhooks.metrics import DeliveryCounters, WebhookCollector
from scheduler.webhooks.sender import Sender
from tests.cluster.daemons import until
from tests.integration.scheduler.conftest import ADMIN, T0, World, company
from tests.integration.scheduler.test_events import write
from tests.integration.scheduler.test_loop import Hands
from tests.receiver import LOOPBACK, Receiver, receiver

ACME, GLOBEX = company("acme"), company("globex")
DAY = 24 * 3600


@dataclass
class Post:
    """A courier that leads, and takes a turn when the test says so."""

    world: World
    clock: Hands = field(default_factory=Hands)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.lead = Lead(self.world.db.url)
        assert self.lead.try_take()
        self.registry.register(WebhookCollector(self.world.db, self.clock.now, lambda: True))
        self.courier = self.another(DeliveryCounters(self.registry))

    def another(self, counters: DeliveryCounters | None = None) -> Courier:
        sender = Sender([ip_network(LOOPBACK)])
        counters = counters or DeliveryCounters(CollectorRegistry())
        return Courier(self.world.db, self.clock, sender, counters, lambda: self.lead.epoch)

    def add(self, url: str, who: str = "acme") -> wire.IssuedWebhook:
        with self.world.db.begin() as session:
            return webhooks.add(session, wire.WebhookCreate(url=url), actor=company(who), now=self.clock.at)

    def run(self, at: float | None = None) -> None:
        """Turns until nothing more is under way."""
        self.clock.at = self.clock.at if at is None else at
        self.courier.turn()
        while self.courier.busy:
            assert self.courier.settle(20)
            self.courier.turn()

    def webhook(self, issued: wire.IssuedWebhook) -> wire.Webhook:
        with self.world.db.snapshot() as session:
            return webhooks.get(session, issued.webhook.id, actor=ADMIN)

    def deliveries(self, issued: wire.IssuedWebhook) -> list[wire.Delivery]:
        with self.world.db.snapshot() as session:
            page = deliveries.page(session, issued.webhook.id, actor=ADMIN, after=None, limit=100)
        return list(reversed(page.items))

    def value(self, name: str, labels: dict[str, str] | None = None) -> float | None:
        return self.registry.get_sample_value(name, labels or {})


@pytest.fixture
def post(world: World) -> Iterator[Post]:
    made = Post(world)
    yield made
    made.lead.close()


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def types(there: Receiver) -> list[str]:
    return [json.loads(got.body)["type"] for got in there.got]


def test_every_change_of_a_lease_is_told_signed_and_as_the_events_say_it(post: Post, there: Receiver) -> None:
    issued = post.add(there.url)
    lease = post.world.ask(8, duration_s=100)
    post.world.turn(T0)
    post.run(T0 + 1)
    post.world.release(lease, now=T0 + 50)
    post.world.turn(T0 + 51)
    post.run(T0 + 52)
    assert types(there) == ["lease.scheduled", "lease.active", "lease.ending", "lease.ended"]
    body = json.loads(there.got[1].body)
    assert body == {
        "id": there.ids[1],
        "type": "lease.active",
        "at": "2027-01-15T08:00:00Z",
        "company": "acme",
        "pool": "h100",
        "lease": lease.id,
        "data": {
            "state": "active",
            "cause": "started",
            "promised_start": "2027-01-15T08:00:00Z",
            "starts_at": "2027-01-15T08:00:00Z",
            "stops_at": "2027-01-15T08:01:40Z",
            "detail": {"late_ms": 0, "late_cause": None},
        },
    }
    assert there.got[0].headers["webhook-timestamp"] == str(T0 + 1)
    assert there.got[0].headers["content-type"] == "application/json"
    assert len(set(there.ids)) == 4
    assert issued.secret.startswith("whsec_")
    assert [found.state for found in post.deliveries(issued)] == ["delivered"] * 4


def test_a_signature_proves_who_sent_what_and_another_secret_does_not(post: Post, there: Receiver) -> None:
    issued = post.add(there.url)
    post.clock.at = now = real_now(post)
    post.world.ask(8, now=now)
    post.run()
    assert there.got[0].verified(issued.secret)["type"] == "lease.scheduled"
    with pytest.raises(WebhookVerificationError):
        there.got[0].verified("whsec_" + "A" * 44)
    with pytest.raises(WebhookVerificationError):
        type(there.got[0])(path="/", headers=there.got[0].headers, body=there.got[0].body + b" ").verified(
            issued.secret
        )


def real_now(post: Post) -> int:
    """Receivers compare the time of sending with their own clocks."""
    with post.world.db.snapshot() as session:
        return int(session.connection().execute(text("SELECT extract(epoch FROM now())")).scalar_one())


def test_a_company_is_told_its_own_alone(post: Post, there: Receiver) -> None:
    with receiver() as theirs:
        post.add(there.url)
        post.add(theirs.url, "globex")
        mine, other = post.world.ask(1), post.world.ask(1, who="globex")
        post.run()
        assert [json.loads(got.body)["lease"] for got in there.got] == [mine.id]
        assert [json.loads(got.body)["lease"] for got in theirs.got] == [other.id]


def test_a_webhook_is_told_what_happens_after_it_was_added(post: Post, there: Receiver) -> None:
    post.world.ask(1)
    post.run()
    post.add(there.url)
    later = post.world.ask(1)
    post.run()
    assert [json.loads(got.body)["lease"] for got in there.got] == [later.id]


def test_what_commits_late_is_told_too(post: Post, there: Receiver) -> None:
    post.add(there.url)
    with post.world.db.begin() as slow:
        write(slow, "webhook.disabled")
        post.world.ask(1)
        post.run()
        assert there.got == []
    post.run()
    assert types(there) == ["webhook.disabled", "lease.scheduled"]


def test_what_is_not_taken_is_sent_again_with_the_same_id_and_body_until_it_is(post: Post, there: Receiver) -> None:
    issued = post.add(there.url)
    there.answers = [500, 404, 302]
    post.world.ask(1)
    at = T0 + 1.0
    waits: list[float] = []
    for attempt in range(1, 5):
        post.run(at)
        [found] = post.deliveries(issued)
        assert found.attempts == attempt
        assert len(there.got) == attempt
        if found.next_at is not None:
            waits.append(found.next_at.timestamp() - at)
            post.run(at + 0.7 * waits[-1])
            assert len(there.got) == attempt, "not before its time"
            at += waits[-1] + 1
    [found] = post.deliveries(issued)
    assert (found.state, found.last_status, found.last_error) == ("delivered", 204, None)
    assert len(set(there.ids)) == len({got.body for got in there.got}) == 1
    assert [0.8 * step - 1 <= wait <= 1.2 * step for wait, step in zip(waits, retries.RETRY_S, strict=False)] == [
        True
    ] * 3
    assert post.webhook(issued).state == "active"
    assert post.value("dure_webhook_deliveries_total", {"outcome": "failed"}) == 3
    assert post.value("dure_webhook_deliveries_total", {"outcome": "delivered"}) == 1


def test_while_an_address_fails_it_is_tried_now_and_then_and_what_waits_keeps_its_order(
    post: Post, there: Receiver
) -> None:
    issued = post.add(there.url)
    there.answers = [503]
    leases = [post.world.ask(1).id for _ in range(5)]
    post.run(T0 + 1)
    assert len(there.got) == 1, "the others are not tried on an address that has just failed"
    failing = post.webhook(issued)
    assert (failing.state, failing.pending) == ("failing", 5)
    assert failing.retry_at is not None
    assert post.value("dure_webhooks", {"state": "failing"}) == 1
    post.run(T0 + 2)
    assert len(there.got) == 1
    post.run(failing.retry_at.timestamp() + 3)
    assert sorted(json.loads(got.body)["lease"] for got in there.got[1:]) == sorted(leases)
    assert post.webhook(issued).pending == 0


def test_one_address_that_hangs_holds_up_no_other(post: Post, there: Receiver) -> None:
    with receiver() as slow:
        slow.hold = threading.Event()
        post.add(slow.url)
        post.add(there.url)
        post.world.ask(1)
        post.courier.turn()
        assert post.courier.settle(20)
        assert (len(there.got), len(post.courier.busy)) == (1, 1)
        until(lambda: len(slow.got) == 1, (), within_s=60, what="the one that hangs to be asked")
        post.world.ask(1)
        post.courier.turn()
        assert post.courier.settle(20)
        assert (len(there.got), len(slow.got)) == (2, 1)
        slow.hold.set()
        post.run()
        assert len(slow.got) == 2


def test_an_address_that_took_nothing_for_days_is_disabled_and_its_company_is_told_why(post: Post) -> None:
    with receiver() as dead, receiver() as alive:
        doomed, other = post.add(dead.url), post.add(alive.url)
        dead.answers = [500] * 1000
        at = T0 + 1.0
        while post.webhook(doomed).state != "disabled":
            waits = [found.next_at.timestamp() for found in post.deliveries(doomed) if found.next_at]
            if not waits:
                # By chance the waits of one delivery can add up to less than the three days; its successor ends them.
                post.world.ask(1)
            at = max(at + 1, min(waits, default=at))
            post.run(at)
        found = post.webhook(doomed)
        assert found.disabled_reason == "nothing was taken for 3 days; the last time it answered 500"
        assert found.pending == 0
        assert {given_up.state for given_up in post.deliveries(doomed)} == {"failed"}
        post.run(at)
        told = json.loads(alive.got[-1].body)
        assert (told["type"], told["data"]["cause"], told["lease"]) == ("webhook.disabled", "dead", None)
        assert told["data"]["detail"]["webhook"] == doomed.webhook.id
        assert "answered 500" in told["data"]["detail"]["reason"]
        tried = len(dead.got)
        post.world.ask(1)
        post.run(at + 1)
        assert len(dead.got) == tried, "a disabled one is sent nothing"
        assert post.webhook(other).state == "active"
        dead.answers = []
        with post.world.db.begin() as session:
            assert webhooks.enable(session, doomed.webhook.id, actor=ACME, now=at).state == "active"
        last = post.world.ask(1)
        post.run(at + 2)
        assert [json.loads(got.body)["lease"] for got in dead.got[tried:]] == [last.id]


def test_an_address_that_says_it_is_gone_is_disabled_at_once(post: Post, there: Receiver) -> None:
    issued = post.add(there.url)
    there.answers = [410]
    post.world.ask(1)
    post.run()
    assert (
        post.webhook(issued).disabled_reason
        == "the address says that it is gone for good; the last time it answered 410"
    )


def test_what_is_never_taken_is_given_up_in_the_end(post: Post, there: Receiver) -> None:
    """Other events are taken meanwhile, so the address itself is well."""
    issued = post.add(there.url)
    post.world.ask(1)
    at = T0 + 1.0
    there.never = {"evt_1"}
    while (stuck := post.deliveries(issued)[:1]) == [] or stuck[0].next_at is not None:
        at = max(at + 100, stuck[0].next_at.timestamp() + 1 if stuck and stuck[0].next_at else 0)
        post.run(at)
        post.world.ask(1)
        post.run(at + 80)
    assert stuck[0].attempts == len(retries.RETRY_S) + 1
    assert (stuck[0].state, stuck[0].last_status) == ("failed", 500)
    assert post.value("dure_webhook_deliveries_total", {"outcome": "given_up"}) == 1
    assert post.webhook(issued).state == "active"


def test_what_a_courier_that_was_killed_had_claimed_is_sent_again(post: Post, there: Receiver) -> None:
    post.add(there.url)
    post.world.ask(1)
    killed = post.another()
    killed.turn()
    wait_for(there, 1)
    # It sent it, and was gone before it wrote that down.
    post.run(T0 + 1)
    assert len(there.got) == 1
    post.run(T0 + deliveries.CLAIM_S + 1)
    assert len(there.got) == 2
    assert there.ids[0] == there.ids[1], "by the id a receiver knows that it has it"


def wait_for(there: Receiver, count: int) -> None:
    ticks = threading.Event()
    for _ in range(2000):
        if len(there.got) >= count:
            return
        ticks.wait(0.01)
    raise AssertionError(f"{len(there.got)} of {count} came")


def test_a_deposed_courier_writes_nothing_down_and_the_next_one_goes_on(post: Post, there: Receiver) -> None:
    issued = post.add(there.url)
    there.hold = threading.Event()
    post.world.ask(1)
    post.courier.turn()
    wait_for(there, 1)
    with post.world.db.begin() as session:
        session.connection().execute(text("UPDATE leader SET epoch = epoch + 1"))
    there.hold.set()
    with pytest.raises(Deposed):
        post.courier.settle(20)
    assert [found.state for found in post.deliveries(issued)] == ["pending"]
    with pytest.raises(Deposed):
        post.run(T0 + deliveries.CLAIM_S + 1)
    assert post.lead.epoch is not None
    post.lead.epoch += 1
    post.run()
    assert [found.state for found in post.deliveries(issued)] == ["delivered"]


def test_who_does_not_lead_sends_nothing(post: Post, there: Receiver) -> None:
    post.add(there.url)
    post.world.ask(1)
    standby = Courier(post.world.db, post.clock, Sender(), DeliveryCounters(CollectorRegistry()), lambda: None)
    standby.turn()
    assert not standby.settle(0)
    assert there.got == []


def test_beside_a_loop_that_leads_the_couriers_own_thread_sends_within_a_second_or_so(
    world: World, there: Receiver
) -> None:
    clock = Hands()
    loop = Loop(world.db, clock, Counters(CollectorRegistry()))  # type: ignore[arg-type]
    with world.db.begin() as session:
        webhooks.add(session, wire.WebhookCreate(url=there.url), actor=ACME, now=T0)
    sender, counters = Sender([ip_network(LOOPBACK)]), DeliveryCounters(CollectorRegistry())
    with Courier(world.db, clock, sender, counters, lambda: loop.epoch):
        world.ask(1, start="2027-01-15T09:00:00Z")
        loop.lead = Lead(world.db.url)
        assert loop.lead.try_take()
        wait_for(there, 1)
    loop.lead.close()
    assert types(there) == ["lease.scheduled"]


def test_more_events_than_a_batch_are_all_given_out_in_one_turn(
    post: Post, there: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "BATCH", 3)
    post.add(there.url)
    with post.world.db.begin() as session:
        for _ in range(25):
            write(session, "webhook.disabled")
    post.run()
    assert len(there.got) == len(set(there.ids)) == 25
    assert there.ids == sorted(there.ids, key=lambda found: int(found.removeprefix("evt_")))


def test_a_secret_that_was_changed_signs_beside_the_old_one_for_a_day(post: Post, there: Receiver) -> None:
    post.clock.at = now = real_now(post)
    old = post.add(there.url)
    with post.world.db.begin() as session:
        new = webhooks.rotate(session, old.webhook.id, actor=ACME, now=now)
    assert new.secret != old.secret
    post.world.ask(1, now=now)
    post.run()
    for secret in (old.secret, new.secret):
        assert there.got[0].verified(secret)
    post.clock.at = now + webhooks.OLD_SECRET_S
    post.world.ask(1, now=now)
    post.run()
    assert len(there.got[1].headers["webhook-signature"].split()) == 1


def test_a_removed_webhook_is_told_nothing_and_its_secret_is_gone(post: Post, there: Receiver) -> None:
    issued = post.add(there.url)
    post.world.ask(1)
    there.answers = [500]
    post.run()
    for _ in range(2):
        with post.world.db.begin() as session:
            webhooks.remove(session, issued.webhook.id, actor=ACME, now=T0 + 5)
    post.world.ask(1)
    post.run(T0 + DAY)
    assert len(there.got) == 1
    assert [found.state for found in post.deliveries(issued)] == ["failed"]
    with post.world.db.snapshot() as session:
        assert session.connection().execute(text("SELECT secret FROM webhook")).scalars().all() == [None]
        assert webhooks.page(session, actor=ADMIN, company=None, after=None, limit=10).items == []
        with pytest.raises(UnknownWebhook, match="was removed"):
            webhooks.get(session, issued.webhook.id, actor=ACME)


def test_who_may_add_what_and_how_many(post: Post) -> None:
    def add(actor: Any, **more: Any) -> wire.IssuedWebhook:
        body = wire.WebhookCreate(url="https://hooks.acme.example/", **more)
        with post.world.db.begin() as session:
            return webhooks.add(session, body, actor=actor, now=T0)

    assert add(ADMIN, company="acme").webhook.company == "acme"
    with pytest.raises(InvalidRequest, match="says whose webhook"):
        add(ADMIN)
    with pytest.raises(UnknownCompany):
        add(ADMIN, company="nobody")
    with pytest.raises(Forbidden):
        add(ACME, company="globex")
    for _ in range(webhooks.MOST - 1):
        add(ACME)
    with pytest.raises(TooMany, match="remove one first"):
        add(ACME)
    assert add(GLOBEX).webhook.company == "globex"


def test_metrics_say_how_many_there_are_and_how_long_the_oldest_waits(post: Post, there: Receiver) -> None:
    post.add(there.url)
    post.world.ask(1)
    post.clock.at = T0 + 30
    post.courier.turn()
    assert post.value("dure_webhook_deliveries_pending") == 1
    assert post.value("dure_webhook_unsent_age_seconds") == 30
    post.run()
    assert post.value("dure_webhook_deliveries_pending") == 0
    assert post.value("dure_webhook_unsent_age_seconds") == 0
    assert post.value("dure_webhooks", {"state": "active"}) == 1
    assert post.value("dure_webhook_delivery_lag_seconds_sum") == 30


def test_settled_deliveries_are_forgotten_after_a_month_by_the_leader_alone(post: Post, there: Receiver) -> None:
    issued = post.add(there.url)
    post.world.ask(1)
    post.run()
    loop = Loop(post.world.db, post.clock, Counters(CollectorRegistry()))  # type: ignore[arg-type]
    later = T0 + deliveries.KEPT_S + 1
    assert forgetting.forget_deliveries(post.world.db, loop, later) == 0
    loop.lead = post.lead
    assert forgetting.forget_deliveries(post.world.db, loop, T0 + 60) == 0
    assert forgetting.forget_deliveries(post.world.db, loop, later) == 1
    assert post.deliveries(issued) == []
