"""Offers: several different windows, each good for something; a claim is a lease for exactly that time, or fresh offers."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from dure import wire
from dure.errors import OfferExpired, OfferGone, UnknownOffer, UnknownPool
from scheduler import offering
from scheduler.core.offers import LEAD_S
from scheduler.store import offers as stored
from scheduler.store.db import Database
from scheduler.store.times import to_wire
from tests.integration.scheduler.conftest import GAP_S, T0, World, company

HOUR = 3600


def search(world: World, gpus: int = 8, *, now: float = T0, who: str = "acme", **more: object) -> list[wire.Offer]:
    body = {"pools": ["h100"], "shape": {"gpus": gpus}, "duration_s": HOUR, **more}
    with world.db.begin() as session:
        wanted = wire.OfferSearch.model_validate(body)
        return offering.search(world.service, session, wanted, actor=company(who), now=now).items


def claim(world: World, offer: wire.Offer, *, now: float = T0 + 10, who: str = "acme") -> offering.Claimed:
    with world.db.begin() as session:
        return offering.claim(
            world.service, session, offer.id, wire.OfferClaim(name="mine"), actor=company(who), now=now
        )


def test_an_offer_that_is_claimed_is_promised_exactly_its_start(world: World) -> None:
    first = search(world)[0]
    assert (first.starts_at, first.reasons[0]) == (to_wire(T0 + LEAD_S), "soonest")
    lease = claim(world, first)
    assert isinstance(lease, wire.Lease)
    assert (lease.promised_start, lease.starts_at, lease.ends_at) == (first.starts_at, first.starts_at, first.ends_at)
    world.turn(T0 + LEAD_S)
    assert (world.lease(lease).state, world.lease(lease).late_start_s) == ("active", 0)


def test_offers_are_different_windows_and_say_what_speaks_for_them(database: Database) -> None:
    world = World(database).found(nodes_=("n1", "n2"), gpus=8)
    world.ask(8, duration_s=2 * HOUR)
    world.turn(T0)
    found = search(world)
    assert len({(offer.starts_at, offer.ends_at) for offer in found}) == len(found) >= 3
    reasons = {reason for offer in found for reason in offer.reasons}
    assert {"soonest", "cheapest", "later"} <= reasons
    cheapest = next(offer for offer in found if "cheapest" in offer.reasons)
    assert cheapest.starts_at >= to_wire(T0 + 2 * HOUR)
    assert (cheapest.quota_left_gpus, cheapest.gpu_seconds) == (8, 8 * HOUR)


def test_the_best_placement_waits_for_one_node(database: Database) -> None:
    world = World(database).found(nodes_=("n1", "n2"), gpus=8, quota=32)
    for _ in range(2):
        world.ask(8, shape={"nodes": 2, "gpus_per_node": 2}, duration_s=2 * HOUR)
    world.turn(T0)
    found = search(world, 8)
    soonest, best = (next(o for o in found if reason in o.reasons) for reason in ("soonest", "best_placement"))
    assert len(soonest.placement) == 2
    assert len(best.placement) == 1
    assert best.starts_at == to_wire(T0 + 2 * HOUR + GAP_S)


def test_what_fits_nowhere_is_offered_shorter_or_smaller(database: Database) -> None:
    world = World(database).found(nodes_=("n1",), gpus=8)
    world.ask(4, who="globex", duration_s=24 * HOUR)
    world.ask(8, who="globex", start=to_wire(T0 + 25 * HOUR), duration_s=HOUR)
    world.turn(T0)
    found = search(world, 8, start_by=to_wire(T0 + HOUR))
    assert [offer.reasons for offer in found] == [["smaller"]]
    assert found[0].shape.gpus == 4


def test_a_claim_that_lost_the_race_gets_fresh_offers_that_can_be_claimed(database: Database) -> None:
    world = World(database).found(nodes_=("n1",), gpus=8)
    first = search(world)[0]
    world.ask(8, who="globex", start=first.starts_at, duration_s=HOUR)
    lost = claim(world, first)
    assert isinstance(lost, OfferGone)
    assert lost.offers
    assert lost.offers[0].starts_at > first.starts_at
    assert isinstance(claim(world, lost.offers[0]), wire.Lease)


def test_an_offer_that_expired_gets_fresh_ones(world: World) -> None:
    first = search(world)[0]
    late = claim(world, first, now=T0 + 1000)
    assert isinstance(late, OfferExpired)
    assert late.offers[0].starts_at == to_wire(T0 + 1000 + LEAD_S)


def test_two_claims_of_one_window_at_once_are_one_lease_and_fresh_offers(database: Database) -> None:
    world = World(database).found(nodes_=("n1",), gpus=8)
    mine, theirs = search(world)[0], search(world, who="globex")[0]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda pair: claim(world, pair[0], who=pair[1]), [(mine, "acme"), (theirs, "globex")]))
    assert sorted(type(one).__name__ for one in found) == ["Lease", "OfferGone"]


def test_claiming_again_is_the_same_lease(world: World) -> None:
    first = search(world)[0]
    with ThreadPoolExecutor(2) as pool:
        leases = list(pool.map(lambda _: claim(world, first), range(2)))
    assert len({lease.id for lease in leases if isinstance(lease, wire.Lease)}) == 1
    assert isinstance(claim(world, first, now=T0 + 5000), wire.Lease)


def test_an_offer_is_its_companys_alone_and_an_unknown_pool_is_told(world: World) -> None:
    first = search(world)[0]
    with pytest.raises(UnknownOffer):
        claim(world, first, who="globex")
    with pytest.raises(UnknownPool):
        search(world, pools=["h100", "none"])


def test_more_than_the_quota_is_offered_nothing(world: World) -> None:
    assert search(world, 17) == []


def test_old_offers_are_forgotten(world: World) -> None:
    first = search(world)[0]
    with world.db.begin() as session:
        assert stored.forget(session, now=T0 + 1000) == 0
        assert stored.forget(session, now=T0 + 1000 + stored.KEPT_S) >= 1
        assert stored.row(session, first.id) is None
