"""What a pool is asked for: counted from its leases, kept in its log, and the same for whoever decides by it."""

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from dure import wire
from scheduler import counted, replays
from scheduler.core.fragmentation import ASK, UNSEEN, Mix
from scheduler.core.model import Instant
from scheduler.loop import Loop
from scheduler.metrics import Counters
from scheduler.service import Service
from scheduler.store import decisions
from scheduler.store.books import Books
from scheduler.store.leader import Deposed, Lead
from scheduler.turns import mix
from scheduler.turns.mix import SETTLED_S
from tests.integration.scheduler.conftest import ADMIN, T0, World

LATER = T0 + SETTLED_S


def renew(world: World, now: float) -> Mix | None:
    with world.db.begin() as session:
        return mix.renew(session, world.service.books, "h100", now=now)


def generation(world: World) -> int:
    with world.db.snapshot() as session:
        return session.connection().execute(text("SELECT generation FROM pool")).scalar_one()


def seen_by(world: World, service: Service) -> Mix:
    with world.db.snapshot() as session:
        return service.books.seen(session, "h100", Instant(LATER))[1].mix


def test_the_mix_counts_what_was_asked_for_before_the_last_minute_and_not_twice(world: World) -> None:
    world.ask(4)
    world.ask(16, shape={"nodes": 2, "gpus_per_node": 8}, who="globex")
    world.ask(2, now=T0 + 1)
    assert renew(world, LATER) is None
    first = renew(world, LATER + 1)
    assert first == Mix(weights=((4, ASK), (8, 2 * ASK)), until=Instant(T0 + 1))
    assert first is not None
    assert renew(world, LATER + 2) == Mix(weights=((2, ASK), *first.weights), until=Instant(T0 + 2))
    assert renew(world, LATER + 3) is None


def test_a_mix_that_stays_makes_no_generation_and_one_that_changes_makes_one(world: World) -> None:
    before = generation(world)
    assert renew(world, LATER) is None
    assert generation(world) == before
    world.ask(4)
    before = generation(world)
    assert renew(world, LATER + 1) is not None
    assert generation(world) == before + 1


def test_asks_that_wait_in_the_queue_count_and_refused_ones_do_not(world: World) -> None:
    world.ask(16, duration_s=1000)
    queued = world.ask(16, shape={"nodes": 2, "gpus_per_node": 4}, start="2027-01-15T08:00:00Z", who="globex")
    refused = world.ask(3, start="2027-01-15T08:00:00Z", queue=False, who="globex")
    assert (world.lease(queued).state, world.lease(refused).state) == ("queued", "refused")
    found = renew(world, LATER + 1)
    assert found is not None
    assert dict(found.weights) == {8: 2 * ASK, 4: 2 * ASK}


def test_every_replica_and_one_that_reads_everything_anew_have_the_same_mix(world: World) -> None:
    other = Service(Books())
    assert seen_by(world, other) == UNSEEN
    world.ask(4)
    found = renew(world, LATER + 1)
    assert found is not None
    assert seen_by(world, other) == seen_by(world, world.service) == seen_by(world, Service(Books())) == found


def broken_and_whole(world: World) -> None:
    """A node of which 3 GPUs are taken, and an empty one."""
    world.ask(3, duration_s=10_000)


def test_a_small_ask_goes_where_the_asks_seen_say_and_the_decision_is_made_again_with_the_mix_of_its_time(
    world: World,
) -> None:
    """Asks for 5 GPUs came often: of 5 free and 8 free, a share of 3 leaves the 5 together."""
    broken_and_whole(world)
    before = world.ask(3, now=T0 + 1, who="globex")
    world.cancel(before, now=T0 + 2)
    for k in range(8):
        world.cancel(world.ask(5, now=T0 + 3 + k), now=T0 + 3 + k)
    assert renew(world, LATER + 20) is not None
    after = world.ask(3, now=LATER + 21, who="globex")
    placed = {lease.id: [share.node for share in lease.placement] for lease in (before, after)}
    assert placed == {before.id: ["n1"], after.id: ["n2"]}
    with world.db.snapshot() as session:
        for lease in (before, after):
            [decision] = decisions.of_lease(session, lease.id)
            assert replays.replay(session, decision.id, actor=ADMIN).kind == "ask"


def test_a_quote_by_another_process_names_the_node_that_the_ask_gets(world: World) -> None:
    broken_and_whole(world)
    for k in range(8):
        world.cancel(world.ask(5, now=T0 + 3 + k), now=T0 + 3 + k)
    renew(world, LATER + 20)
    body = wire.Ask.model_validate({"pool": "h100", "shape": {"gpus": 3}, "duration_s": 100, "company": "globex"})
    with world.db.snapshot() as session:
        quote = Service(Books()).quote(session, body, actor=ADMIN, now=LATER + 21)
    assert quote.placement == world.ask(3, now=LATER + 21, who="globex").placement


@pytest.fixture
def loop(world: World) -> Loop:
    class Hands:
        def now(self) -> float:
            return LATER + 1

    return Loop(world.db, Hands(), Counters(CollectorRegistry()))  # type: ignore[arg-type]


def test_mixes_are_renewed_by_the_leader_alone(world: World, loop: Loop) -> None:
    world.ask(4)
    assert counted.renew_mixes(world.db, loop, LATER + 1) == {}
    loop.lead = Lead(world.db.url)
    try:
        assert loop.lead.try_take()
        assert counted.renew_mixes(world.db, loop, LATER + 1) == {
            "h100": Mix(weights=((4, ASK),), until=Instant(T0 + 1))
        }
        world.ask(4, now=T0 + 1)
        with world.db.begin() as session:
            session.connection().execute(text("UPDATE leader SET epoch = epoch + 1"))
        with pytest.raises(Deposed):
            counted.renew_mixes(world.db, loop, LATER + 2)
    finally:
        loop.lead.close()
    assert seen_by(world, world.service).until == T0 + 1
