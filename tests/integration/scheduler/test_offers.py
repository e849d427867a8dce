"""Offers: several different windows, each good for something; a claim is a lease for exactly that time, or fresh offers."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from dure import wire
from dure.errors import Forbidden, InvalidRequest, OfferExpired, OfferGone, ResizeRefused, UnknownOffer, UnknownPool
from scheduler import offering, searching
from scheduler.core.offers import LEAD_S
from scheduler.service import Service
from scheduler.store import nodes, pools, quotas
from scheduler.store import offers as stored
from scheduler.store.books import Books
from scheduler.store.db import Database
from scheduler.store.times import to_wire
from tests.integration.scheduler.conftest import ADMIN, GAP_S, T0, World, company

HOUR = 3600


def found(world: World, gpus: int = 8, *, now: float = T0, who: str = "acme", **more: object) -> wire.Offers:
    wanted = wire.OfferSearch.model_validate({"pools": ["h100"], "shape": {"gpus": gpus}, "duration_s": HOUR, **more})
    with world.db.snapshot() as session:
        seen = searching.seen(world.service, session, wanted, actor=company(who), now=now)
    with world.db.begin() as session:
        return searching.keep(session, wanted, searching.search(seen))


def search(world: World, gpus: int = 8, *, now: float = T0, who: str = "acme", **more: object) -> list[wire.Offer]:
    return found(world, gpus, now=now, who=who, **more).items


def second_pool(world: World) -> None:
    """Pool `a100` of one node with 4 GPUs, of which companies may hold as many."""
    with world.db.begin() as session:
        pools.add(session, wire.PoolCreate(name="a100", product="NVIDIA A100", gap_s=GAP_S), actor=ADMIN, now=T0)
        for name in ("acme", "globex"):
            quotas.put(session, name, "a100", wire.QuotaSet(gpus=4), actor=ADMIN, now=T0)
        nodes.enroll(session, wire.NodeEnroll(name="a1"), actor=ADMIN, now=T0)
    world.report("a1", now=T0, gpus=4, product="NVIDIA A100")


def claim(world: World, offer: wire.Offer, *, now: float = T0 + 10, who: str = "acme", **more: Any) -> offering.Claimed:
    body = wire.OfferClaim.model_validate({"name": "mine", **more})
    with world.db.begin() as session:
        return offering.claim(world.service, session, offer.id, body, actor=company(who), now=now)


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
    offers = search(world)
    assert len({(offer.starts_at, offer.ends_at) for offer in offers}) == len(offers) >= 3
    reasons = {reason for offer in offers for reason in offer.reasons}
    assert {"soonest", "cheapest", "later"} <= reasons
    cheapest = next(offer for offer in offers if "cheapest" in offer.reasons)
    assert cheapest.starts_at >= to_wire(T0 + 2 * HOUR)
    assert (cheapest.quota_left_gpus, cheapest.gpu_seconds) == (8, 8 * HOUR)


def test_the_best_placement_waits_for_one_node(database: Database) -> None:
    world = World(database).found(nodes_=("n1", "n2"), gpus=8, quota=32)
    for _ in range(2):
        world.ask(8, shape={"nodes": 2, "gpus_per_node": 2}, duration_s=2 * HOUR)
    world.turn(T0)
    offers = search(world, 8)
    soonest, best = (next(o for o in offers if reason in o.reasons) for reason in ("soonest", "best_placement"))
    assert len(soonest.placement) == 2
    assert len(best.placement) == 1
    assert best.starts_at == to_wire(T0 + 2 * HOUR + GAP_S)


def test_what_fits_nowhere_is_offered_smaller_and_said_why(database: Database) -> None:
    world = World(database).found(nodes_=("n1",), gpus=8)
    world.ask(4, who="globex", duration_s=24 * HOUR)
    world.turn(T0)
    answer = found(world, 8, start_by=to_wire(T0 + HOUR))
    assert [offer.reasons for offer in answer.items] == [["smaller"]]
    assert answer.items[0].shape.gpus == 4
    [unmet] = answer.unmet
    assert (unmet.pool, unmet.code) == ("h100", "no_start_in_window")
    assert unmet.numbers["largest_gpus_now"] == 4


def test_what_would_do_is_offered_sooner_than_the_whole(database: Database) -> None:
    world = World(database).found(nodes_=("n1",), gpus=8)
    world.ask(4, who="globex", start=to_wire(T0 + HOUR // 2), duration_s=HOUR)
    answer = found(world, 8, shortest_s=HOUR // 4, fewest=2, longest_s=2 * HOUR)
    by_reason = {reason: offer for offer in answer.items for reason in offer.reasons}
    assert by_reason["shorter"].ends_at == to_wire(T0 + HOUR // 2 - GAP_S)
    assert (by_reason["smaller"].starts_at, by_reason["smaller"].shape.gpus) == (to_wire(T0 + LEAD_S), 4)
    assert (by_reason["longer"].duration_s, answer.unmet) == (2 * HOUR, [])
    lease = claim(world, by_reason["shorter"])
    assert isinstance(lease, wire.Lease)
    assert (lease.duration_s, lease.ends_at) == (by_reason["shorter"].duration_s, by_reason["shorter"].ends_at)


@pytest.mark.parametrize("wrong", [{"shortest_s": HOUR + 1}, {"longest_s": HOUR - 1}, {"fewest": 9}])
def test_a_wish_that_contradicts_itself_is_refused(world: World, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        search(world, **wrong)
    assert [error.field for error in refused.value.errors] == list(wrong)


def test_several_pools_are_searched_together_and_each_says_what_it_lacks(world: World) -> None:
    second_pool(world)
    both = found(world, 4, pools=["h100", "a100"])
    assert {offer.pool for offer in both.items} == {"h100", "a100"}
    assert both.items == sorted(both.items, key=lambda offer: (offer.starts_at, offer.pool, offer.id))
    assert both.unmet == []
    larger = found(world, 8, pools=["h100", "a100"])
    assert [(unmet.pool, unmet.code) for unmet in larger.unmet] == [("a100", "never_fits")]
    lease = claim(world, next(offer for offer in both.items if offer.pool == "a100"))
    assert isinstance(lease, wire.Lease)
    assert (lease.pool, lease.placement[0].node) == ("a100", "a1")


def test_a_search_sees_its_snapshot_whatever_is_decided_meanwhile(world: World) -> None:
    second_pool(world)
    wanted = wire.OfferSearch.model_validate({"pools": ["h100", "a100"], "shape": {"gpus": 4}, "duration_s": HOUR})
    with world.db.snapshot() as session:
        nodes.get(session, "n1", now=T0)
        for pool, gpus in (("h100", 16), ("a100", 4)):
            world.ask(gpus, pool=pool, duration_s=2 * HOUR)
        seen = searching.seen(Service(Books()), session, wanted, actor=company("acme"), now=T0)
    assert {offer.starts_at for offer in searching.search(seen).items if "soonest" in offer.reasons} == {
        to_wire(T0 + LEAD_S)
    }


def test_a_claim_that_lost_the_race_gets_fresh_offers_that_can_be_claimed(database: Database) -> None:
    world = World(database).found(nodes_=("n1",), gpus=8)
    first = search(world)[0]
    world.ask(8, who="globex", start=first.starts_at, duration_s=HOUR)
    lost = claim(world, first)
    assert isinstance(lost, OfferGone)
    assert lost.offers
    assert lost.offers[0].starts_at > first.starts_at
    assert isinstance(claim(world, lost.offers[0]), wire.Lease)


def test_a_claim_is_told_what_is_in_its_way(world: World) -> None:
    first = search(world)[0]
    full = world.ask(16, who="globex", start=first.starts_at, duration_s=60)
    taken = claim(world, first)
    assert isinstance(taken, OfferGone)
    assert "too much of pool h100 is leased or booked" in taken.detail
    world.cancel(full, now=T0 + 10)
    with world.db.begin() as session:
        quotas.put(session, "acme", "h100", wire.QuotaSet(gpus=4), actor=ADMIN, now=T0)
    lowered = claim(world, first)
    assert isinstance(lowered, OfferGone)
    assert "quota of 4 GPUs" in lowered.detail
    assert [offer.shape.gpus for offer in lowered.offers] == [4]


def test_an_offer_that_expired_gets_fresh_ones(world: World) -> None:
    first = search(world)[0]
    late = claim(world, first, now=T0 + 1000)
    assert isinstance(late, OfferExpired)
    assert late.offers[0].starts_at == to_wire(T0 + 1000 + LEAD_S)


def test_an_offer_whose_searched_window_is_past_gets_none(world: World) -> None:
    first = search(world, start_by=to_wire(T0 + 600))[0]
    late = claim(world, first, now=T0 + 1000)
    assert isinstance(late, OfferExpired)
    assert late.offers == []
    assert "search in another" in late.detail


def test_an_offer_cannot_be_claimed_once_it_would_have_started(world: World) -> None:
    first = search(world)[0]
    assert first.expires_at == first.starts_at == to_wire(T0 + LEAD_S)
    assert isinstance(claim(world, first, now=T0 + LEAD_S), OfferExpired)


def test_time_that_passes_while_a_claim_waits_for_the_lock_counts(world: World) -> None:
    first = search(world)[0]
    world.service = Service(Books(), clock=lambda: T0 + LEAD_S + 1.0)
    assert isinstance(claim(world, first), OfferExpired)


def test_two_claims_of_one_window_at_two_replicas_are_one_lease_and_fresh_offers(database: Database) -> None:
    world = World(database).found(nodes_=("n1",), gpus=8)
    other = World(database)
    claims = [(world, search(world)[0], "acme"), (other, search(other, who="globex")[0], "globex")]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda one: claim(one[0], one[1], who=one[2]), claims))
    assert sorted(type(one).__name__ for one in found) == ["Lease", "OfferGone"]
    [lost] = [one for one in found if isinstance(one, OfferGone)]
    [lease] = [one for one in found if isinstance(one, wire.Lease)]
    assert lost.offers
    assert lease.ends_at is not None
    assert all(offer.starts_at >= lease.ends_at + timedelta(seconds=GAP_S) for offer in lost.offers)


def test_what_somebody_else_claimed_is_as_if_it_were_not_there(world: World) -> None:
    first = search(world)[0]
    claim(world, first)
    with pytest.raises(UnknownOffer):
        claim(world, first, who="globex")


@pytest.mark.parametrize("id_", ["off_06eqz8n1hg7k2m9v4r3t", "lea_06eqz8n1hg7k2m9v4r3t", "off_"])
def test_an_offer_that_never_was_is_not_claimed(world: World, id_: str) -> None:
    search(world)
    with world.db.begin() as session, pytest.raises(UnknownOffer, match="dure offer search"):
        offering.claim(world.service, session, id_, wire.OfferClaim(), actor=company("acme"), now=T0)


def test_an_offer_that_was_forgotten_is_not_claimed(world: World) -> None:
    first = search(world)[0]
    with world.db.begin() as session:
        stored.forget(session, now=T0 + 1000 + stored.KEPT_S)
    with pytest.raises(UnknownOffer):
        claim(world, first)


def test_a_claimed_lease_that_is_over_is_what_its_offer_stays(world: World) -> None:
    first = search(world)[0]
    lease = claim(world, first)
    assert isinstance(lease, wire.Lease)
    world.cancel(lease, now=T0 + 20)
    again = claim(world, first, now=T0 + 30)
    assert isinstance(again, wire.Lease)
    assert (again.id, again.state) == (lease.id, "cancelled")


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


def test_nobody_searches_in_another_companys_name(world: World) -> None:
    with pytest.raises(Forbidden):
        search(world, company="globex")


def test_open_offers_are_listed_newest_first_and_a_companys_alone(world: World) -> None:
    mine, theirs = search(world, now=T0), search(world, now=T0 + 1, who="globex")
    claim(world, mine[0])

    def listed(who: str | None, *, now: float, company_: str | None = None) -> list[str]:
        actor = ADMIN if who is None else company(who)
        with world.db.snapshot() as session:
            page = stored.page(session, actor=actor, company=company_, after=None, limit=100, now=now)
        return [offer.id for offer in page.items]

    assert set(listed("acme", now=T0 + 20)) == {offer.id for offer in mine[1:]}
    assert listed(None, now=T0 + 20) == sorted((offer.id for offer in [*mine[1:], *theirs]), reverse=True)
    assert set(listed(None, now=T0 + 20, company_="globex")) == {offer.id for offer in theirs}
    assert listed("acme", now=T0 + 301) == []


def test_an_inference_offer_may_renew_itself_as_a_lease(world: World) -> None:
    first = search(world, purpose="inference")[0]
    lease = claim(world, first, renew=True)
    assert isinstance(lease, wire.Lease)
    assert (lease.renew, lease.purpose) == (True, "inference")
    with pytest.raises(InvalidRequest):
        claim(world, search(world)[0], renew=True)


def test_an_inference_offer_is_claimed_with_the_sizes_between_which_it_may_be_resized(world: World) -> None:
    lease = claim(world, search(world, 4, purpose="inference")[0], min=2, max=6)
    assert isinstance(lease, wire.Lease)
    assert (lease.shape.gpus, lease.min, lease.max) == (4, 2, 6)
    with pytest.raises(ResizeRefused, match="6 at most"):
        world.resize(lease, now=T0 + 11, gpus=7)
    assert world.resize(lease, now=T0 + 11, gpus=6).lease.shape.gpus == 6


def test_a_claim_takes_what_is_left_of_an_offer_where_so_few_would_do(database: Database) -> None:
    world = World(database).found(nodes_=("n1",), gpus=8)
    first = search(world, 8, purpose="inference")[0]
    world.ask(3, who="globex", start=first.starts_at, duration_s=HOUR)
    lease = claim(world, first, min=5)
    assert isinstance(lease, wire.Lease)
    assert (lease.shape.gpus, lease.starts_at) == (5, first.starts_at)


@pytest.mark.parametrize(
    ("purpose", "sizes", "field"),
    [
        pytest.param("training", {"min": 2}, "min", id="a least for training"),
        pytest.param("training", {"max": 8}, "max", id="a most for training"),
        pytest.param("inference", {"min": 5}, "min", id="more than the offer at least"),
        pytest.param("inference", {"max": 3}, "max", id="less than the offer at most"),
    ],
)
def test_a_claim_with_sizes_that_cannot_be_is_refused(
    world: World, purpose: str, sizes: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        claim(world, search(world, 4, purpose=purpose)[0], **sizes)
    assert [one.field for one in refused.value.errors] == [field]


def test_more_than_the_quota_is_offered_as_far_as_the_quota_goes(world: World) -> None:
    answer = found(world, 17)
    assert [(offer.reasons, offer.shape.gpus) for offer in answer.items] == [(["smaller"], 16)]
    assert [unmet.code for unmet in answer.unmet] == ["never_fits"]
    with world.db.begin() as session:
        quotas.put(session, "acme", "h100", wire.QuotaSet(gpus=12), actor=ADMIN, now=T0)
    answer = found(world, 16)
    assert [(offer.reasons, offer.shape.gpus) for offer in answer.items] == [(["smaller"], 12)]
    assert [unmet.code for unmet in answer.unmet] == ["quota_exceeded"]


def test_old_offers_are_forgotten(world: World) -> None:
    first = search(world)[0]
    with world.db.begin() as session:
        assert stored.forget(session, now=T0 + 1000) == 0
        assert stored.forget(session, now=T0 + 1000 + stored.KEPT_S) >= 1
        assert stored.row(session, first.id) is None
