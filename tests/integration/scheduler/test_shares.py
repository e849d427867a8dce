"""Shares of pools: kept, logged and audited, and what they make of asks, of the queue and of its order."""

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import text

from dure import wire
from dure.errors import ExtensionRefused, ResizeRefused, UnknownCompany, UnknownGroup, UnknownPool
from scheduler import counted, fairness, policies
from scheduler.core import words
from scheduler.core.model import CompanyId, Instant
from scheduler.core.shares import Uses
from scheduler.loop import Loop
from scheduler.metrics import Counters
from scheduler.store import shares, uses
from scheduler.store.books import fresh
from scheduler.store.db import Database
from scheduler.store.leader import Lead
from scheduler.turns import counts
from tests.integration.scheduler.conftest import ADMIN, T0, World, company
from tests.integration.scheduler.test_decisions import replay

HOUR = 3600


def share(world: World, who: str, count: int, *, group: str | None = None, pool: str = "h100") -> wire.Share:
    with world.db.begin() as session:
        return shares.put(session, who, pool, wire.ShareSet(shares=count, group=group), actor=ADMIN, now=T0)


def group(world: World, name: str, count: int) -> wire.ShareGroup:
    with world.db.begin() as session:
        return shares.put_group(session, "h100", name, wire.ShareGroupSet(shares=count), actor=ADMIN, now=T0)


def remove(world: World, who: str) -> wire.Share:
    with world.db.begin() as session:
        return shares.remove(session, who, "h100", actor=ADMIN, now=T0)


def count(world: World, now: float) -> Uses | None:
    with world.db.begin() as session:
        return counts.count(session, world.service.books, "h100", now=now)


def show(world: World, who: str | None = None, *, now: float = T0) -> wire.FairPool:
    with world.db.snapshot() as session:
        actor = ADMIN if who is None else company(who)
        return fairness.show(world.service, session, "h100", actor=actor, now=now)


def parts(world: World) -> dict[CompanyId, int]:
    with world.db.snapshot() as session:
        return dict(fresh(session, "h100", Instant(T0)).fair.parts)


@pytest.fixture
def contended(database: Database) -> World:
    """16 GPUs, of which 4 are acme's share and 12 globex's; shares count everywhere."""
    world = World(database).found(contended="always")
    share(world, "acme", 1)
    share(world, "globex", 3)
    return world


def test_shares_are_the_same_for_a_book_that_is_kept_and_for_one_read_anew(contended: World) -> None:
    assert parts(contended) == {"acme": 250_000_000, "globex": 750_000_000}
    group(contended, "seed", 1)
    share(contended, "acme", 7, group="seed")
    with contended.db.snapshot() as session:
        _, kept = contended.service.books.seen(session, "h100", Instant(T0))
        assert kept.digest(Instant(T0)) == fresh(session, "h100", Instant(T0)).digest(Instant(T0))
    assert parts(contended) == kept.fair.parts == {"acme": 250_000_000, "globex": 750_000_000}
    assert remove(contended, "globex") == wire.Share(company="globex", pool="h100", shares=1, group=None)
    assert parts(contended) == {"acme": 500_000_000, "globex": 500_000_000}


def test_above_its_share_an_ask_is_queued_and_the_next_turn_serves_it(contended: World) -> None:
    asked = contended.ask(8, duration_s=HOUR, notice_s=900)
    assert (asked.state, asked.decision.code) == ("queued", "waits_for_share")
    assert asked.decision.numbers["share_gpus"] == 4
    assert "its share of pool h100, 4 GPUs" in asked.decision.detail
    contended.turn(T0 + 1)
    assert contended.lease(asked).state == "active", "who asked just now needs no notice"
    assert ("scheduled", "share") in contended.events(asked)


def test_the_queue_is_served_by_share_and_not_by_arrival(contended: World) -> None:
    """Both want everything: acme asked first and has had its share, so the rest is globex's."""
    mine = [contended.ask(4, duration_s=HOUR, notice_s=0, now=T0 + k / 10) for k in range(4)]
    theirs = [contended.ask(4, duration_s=HOUR, notice_s=0, now=T0 + 0.5, who="globex") for _ in range(4)]
    contended.turn(T0 + 1)
    held = [contended.lease(lease).state == "active" for lease in (*mine, *theirs)]
    assert held == [True, False, False, False, True, True, True, False]


def waiting(world: World) -> list[wire.Lease]:
    """Two asks of globex above its share: the first gets a later start, for the other none is promised before that."""
    world.set_quota("globex", 64, now=T0)
    found = [world.ask(14, duration_s=HOUR, who="globex", now=T0 + 2) for _ in range(2)]
    world.turn(T0 + 3)
    assert [world.lease(lease).state for lease in found] == ["scheduled", "queued"]
    return found


def crowded(world: World, *, renew: bool = False) -> tuple[wire.Lease, list[wire.Lease]]:
    """Acme runs on 6 GPUs, more than its share, and globex waits."""
    mine = world.ask(6, duration_s=HOUR, purpose="inference", notice_s=0, renew=renew)
    world.turn(T0 + 1)
    return mine, waiting(world)


def test_an_extension_above_its_companys_share_is_refused_while_others_wait_whose_turn_is_before(
    contended: World,
) -> None:
    mine, _ = crowded(contended)
    for ask in ({"by_s": HOUR}, {"longest": True}):
        with pytest.raises(ExtensionRefused) as refused:
            contended.extend(mine, now=T0 + 4, **ask)
        numbers = refused.value.numbers
        assert (numbers["in_the_way"], numbers["longest_s"]) == ("share", 0)
        assert (numbers["share_gpus"], numbers["share_held_gpus"], numbers["contended_at"]) == (
            4,
            0,
            words.time(T0 + 1 + HOUR),
        )
        assert "above its share of pool h100, 4 GPUs, from 2027-01-15T09:00:01Z on" in str(refused.value)
        assert refused.value.decision is not None
        assert replay(contended, refused.value.decision.id).kind


def test_a_lease_within_its_companys_share_is_extended_whoever_waits(contended: World) -> None:
    mine = contended.ask(4, duration_s=HOUR)
    contended.turn(T0)
    waiting(contended)
    with pytest.raises(ExtensionRefused) as refused:
        contended.extend(mine, now=T0 + 4, by_s=600)
    assert refused.value.numbers["in_the_way"] == "promise", "its share does not keep it from that"


def test_growing_above_its_companys_share_waits_for_its_turn_too(contended: World) -> None:
    count(contended, T0)
    mine, theirs = crowded(contended)
    count(contended, T0 + 1800)
    with pytest.raises(ResizeRefused) as refused:
        contended.resize(mine, now=T0 + 1800, gpus=8)
    numbers = refused.value.numbers
    assert (numbers["in_the_way"], numbers["largest"], numbers["share_gpus"], numbers["share_held_gpus"]) == (
        "share",
        6,
        4,
        6,
    )
    assert "above its share of pool h100, 4 GPUs, from 2027-01-15T08:30:00Z on" in str(refused.value)
    assert refused.value.decision is not None
    assert replay(contended, refused.value.decision.id).kind
    for lease in theirs:
        contended.cancel(lease, now=T0 + 1801)
    assert contended.resize(mine, now=T0 + 1802, gpus=8).lease.shape.total == 8


def test_a_renewal_that_the_share_does_not_allow_is_told_in_time_and_done_once_nobody_waits(contended: World) -> None:
    count(contended, T0)
    mine, theirs = crowded(contended, renew=True)
    count(contended, T0 + HOUR - 1500)
    contended.turn(T0 + HOUR - 1500 + 1)
    assert contended.events(mine)[-1] == ("renewal_refused", "share")
    for lease in theirs:
        contended.cancel(lease, now=T0 + HOUR - 1400)
    contended.turn(T0 + HOUR - 1300)
    assert contended.events(mine)[-1] == ("renewed", "renewed")


def test_where_nothing_is_contended_shares_change_nothing(world: World) -> None:
    share(world, "acme", 1)
    share(world, "globex", 1000)
    assert world.ask(16, duration_s=HOUR).state == "scheduled"
    assert count(world, T0 + 60) is None


def test_what_was_used_is_counted_by_the_minute_and_decides_who_is_next(contended: World) -> None:
    assert count(contended, T0) == Uses(at=Instant(T0), of=())
    lease = contended.ask(4, duration_s=HOUR)
    contended.turn(T0)
    found = count(contended, T0 + 60)
    assert found is not None
    assert [(one.company, one.used, one.entitled) for one in found.of] == [("acme", 240, 240)]
    contended.release(lease, now=T0 + 90)
    contended.turn(T0 + 91)
    found = count(contended, T0 + 120)
    assert found is not None
    [one] = found.of
    assert (one.company, one.used - one.entitled) == ("acme", 4 * 30)
    with contended.db.snapshot() as session:
        assert uses.newest(session, "h100") == found
        assert fresh(session, "h100", Instant(T0 + 120)).fair.uses == found


def test_a_count_at_the_same_second_is_not_made_twice(contended: World) -> None:
    assert count(contended, T0) is not None
    assert count(contended, T0) is None


def test_the_leader_counts_contended_pools(contended: World) -> None:
    class Hands:
        def now(self) -> float:
            return T0

    loop = Loop(contended.db, Hands(), Counters(CollectorRegistry()))  # type: ignore[arg-type]
    assert counted.count_uses(contended.db, loop, T0) == []
    loop.lead = Lead(contended.db.url)
    try:
        assert loop.lead.try_take()
        assert counted.count_uses(contended.db, loop, T0) == ["h100"]
    finally:
        loop.lead.close()


def test_everybody_s_share_use_and_rank_are_shown_with_the_reason(contended: World) -> None:
    count(contended, T0)
    contended.ask(4, duration_s=HOUR)
    contended.turn(T0)
    contended.ask(1, duration_s=HOUR, now=T0 + 1)
    count(contended, T0 + 60)
    found = show(contended, now=T0 + 60)
    assert (found.contended, found.contended_now, [one.company for one in found.companies]) == (
        "always",
        True,
        ["globex", "acme"],
    )
    last = found.companies[-1]
    assert (last.rank, last.shares, last.part_ppm, last.share_gpus, last.held_gpus, last.queued) == (
        2,
        1,
        250_000,
        4,
        4,
        1,
    )
    assert (last.used_gpu_seconds, last.entitled_gpu_seconds) == (240, 300)
    assert last.beyond_gpu_seconds == 240 - 300 + 4 * (HOUR - 60)
    assert last.why == (
        "acme is number 2 of 2: its share is 4 GPUs and it holds 4; it used 0.07 GPU-hours where it was entitled to "
        "0.08 GPU-hours, so it is 3.92 GPU-hours beyond that, 3.93 GPU-hours of it granted just now."
    )


def test_a_company_is_shown_itself_alone_and_where_it_stands_among_all(contended: World) -> None:
    [mine] = show(contended, "globex").companies
    assert (mine.company, mine.why.startswith("globex is number 2 of 2")) == ("globex", True)


def test_before_anything_is_contended_shares_are_shown_too(world: World) -> None:
    found = show(world)
    assert (found.contended, found.contended_now, found.counted_at) == ("none", False, None)
    assert [(one.company, one.share_gpus) for one in found.companies] == [("acme", 8), ("globex", 8)]


def test_who_set_shares_and_what_they_were_is_audited(contended: World) -> None:
    group(contended, "seed", 2)
    group(contended, "seed", 3)
    share(contended, "acme", 5, group="seed")
    remove(contended, "acme")
    remove(contended, "acme")
    with contended.db.snapshot() as session:
        query = text("SELECT action, subject, before, after FROM audit WHERE action LIKE 'share%' ORDER BY seq")
        rows = [tuple(row) for row in session.connection().execute(query)]
    assert rows[2:] == [
        ("share.group", "h100/seed", None, {"shares": 2}),
        ("share.group", "h100/seed", {"shares": 2}, {"shares": 3}),
        ("share.set", "acme/h100", {"shares": 1, "group": None}, {"shares": 5, "group": "seed"}),
        ("share.remove", "acme/h100", {"shares": 5, "group": "seed"}, None),
    ]


def test_what_is_unknown_has_no_shares(world: World) -> None:
    with pytest.raises(UnknownCompany):
        share(world, "nobody", 1)
    with pytest.raises(UnknownPool):
        share(world, "acme", 1, pool="h200")
    with pytest.raises(UnknownGroup, match="dure share group h100 seed --shares 1"):
        share(world, "acme", 1, group="seed")


def test_promises_stay_when_shares_begin_to_count(world: World) -> None:
    promised = [world.ask(16, duration_s=HOUR, notice_s=0), world.ask(16, duration_s=HOUR, now=T0 + 1)]
    with world.db.begin() as session:
        body = wire.PolicyChange(contended="booked", contended_ppm=0)
        policies.change_policy(world.service, session, "h100", body, actor=ADMIN, now=T0 + 2)
    share(world, "globex", 1000)
    asked = world.ask(8, who="globex", duration_s=HOUR, now=T0 + 3)
    world.turn(T0 + 4)
    assert [world.lease(lease).promised_start for lease in promised] == [lease.promised_start for lease in promised]
    assert asked.state == "scheduled"
