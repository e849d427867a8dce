"""Queued spot takes GPUs of spot whose company is more over its share, and of nobody else."""

from dataclasses import replace
from typing import Any

import pytest

from scheduler.core.book import Book
from scheduler.core.explain import sentence
from scheduler.core.lease import scheduled
from scheduler.core.model import Ask, CompanyId, Gang, Instant, Lease, LeaseId, Promise, State, Tier, Total
from scheduler.core.replan import Plan, replan
from scheduler.core.shares import Use, Uses
from tests.builders import GAP_S, a_lease, a_node, a_policy, an_ask

NOW = Instant(10_000)
NOTICE_S = 60
LEAST_S = 600


def a_spot_lease(id: str, *, company: str = "acme", started_at: int = 5000, **placement: int) -> Lease:
    found = a_lease(
        id, company=company, state=State.ACTIVE, starts_at=started_at, duration_s=50_000 - started_at, **placement
    )
    return replace(found, tier=Tier.SPOT, notice_s=NOTICE_S)


def a_pool(*leases: Lease, contended: str = "always", nodes: int = 2, **policy: Any) -> Book:
    """So many nodes of 8 GPUs, and three companies with equal shares."""
    rules = a_policy(contended=contended, spot_least_s=LEAST_S, entry_s=3600, **policy)
    quotas = {CompanyId(name): 8 * nodes for name in ("acme", "bolt", "cone")}
    return Book.of(rules, [a_node(f"n{k}", 8) for k in range(1, nodes + 1)], leases, quotas)


def waits(gpus: int, *, company: str = "bolt", **more: Any) -> list[tuple[LeaseId, Ask, Instant]]:
    shape = more.pop("shape", Total(gpus=gpus))
    ask = an_ask(shape, company=company, duration_s=7200, notice_s=NOTICE_S, tier=Tier.SPOT, **more)
    return [(LeaseId("lea_new"), ask, Instant(9000))]


def cut(plan: Plan) -> set[str]:
    return {move.after.id for move in plan.moves if move.after.is_spot and move.after.stops_at == NOW + NOTICE_S}


FULL = (
    a_spot_lease("lea_a", n1=4),
    a_spot_lease("lea_b", n1=4),
    a_spot_lease("lea_c", n2=4),
    a_spot_lease("lea_d", n2=4),
)


def test_it_starts_once_who_is_more_over_its_share_was_told_and_its_gpus_are_clean():
    plan = replan(a_pool(*FULL), waits(4), NOW)
    one = plan.pulled[LeaseId("lea_new")]
    assert (one.promised, one.start) == (NOW + NOTICE_S + GAP_S, NOW + NOTICE_S + GAP_S)
    assert one.stop == one.end == one.start + 7200
    assert len(cut(plan)) == 1
    assert "when companies that are more over their share have given them back" in sentence(one, waits(4)[0][1])


@pytest.mark.parametrize(
    ("book", "why"),
    [
        (a_pool(*FULL, contended="none"), "shares do not count"),
        (a_pool(*[replace(lease, tier=Tier.RESERVED) for lease in FULL]), "it is reserved"),
        (a_pool(*[replace(lease, company=CompanyId("bolt")) for lease in FULL]), "it is its own"),
        (
            a_pool(*[replace(lease, starts_at=Instant(NOW - LEAST_S + 1)) for lease in FULL]),
            "it has only just started",
        ),
        (
            a_pool(*FULL).changed([Uses(at=NOW, of=(Use(company=CompanyId("bolt"), used=12 * 3600, entitled=0),))]),
            "it would have more than they",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nothing_is_reclaimed_where(book: Book, why: str):
    plan = replan(book, waits(4), NOW)
    assert (plan.pulled, cut(plan)) == ({}, set()), why


def test_who_waits_has_no_more_with_it_than_the_others_have():
    """acme has 8 of spot, and bolt 4: with 4 more it would have as many."""
    mine = [replace(lease, company=CompanyId("bolt")) for lease in FULL[:1]]
    others = [replace(FULL[1], company=CompanyId("cone")), *FULL[2:]]
    assert replan(a_pool(*mine, *others), waits(4), NOW).pulled == {}
    assert len(cut(replan(a_pool(*mine, *others), waits(3), NOW))) == 1


def test_what_was_reclaimed_is_not_taken_back():
    plan = replan(a_pool(*FULL), waits(4), NOW)
    [preempted] = cut(plan)
    book, later = plan.book, Instant(NOW + NOTICE_S + GAP_S + LEAST_S)
    ended = replace(book.leases[LeaseId(preempted)], state=State.ENDED, ended_at=Instant(NOW + NOTICE_S))
    runs = replace(
        book.leases[LeaseId("lea_new")], state=State.ACTIVE, started_at=plan.pulled[LeaseId("lea_new")].start
    )
    again = [(LeaseId("lea_again"), an_ask(Total(gpus=4), company="acme", tier=Tier.SPOT, notice_s=0), later)]
    assert replan(book.put_leases([ended, runs]), again, later).pulled == {}


def test_a_company_gives_no_more_than_it_is_over():
    """cone has all three nodes, and bolt wants them one by one: with a second one it would have as much as cone then."""
    leases = [a_spot_lease(f"lea_{k}", company="cone", started_at=5000, **{f"n{k}": 8}) for k in (1, 2, 3)]
    queue = [(LeaseId(f"ask_{k}"), waits(8)[0][1], Instant(9000 + k)) for k in range(3)]
    plan = replan(a_pool(*leases, nodes=3), queue, NOW)
    assert len(plan.pulled) == len(cut(plan)) == 1


def test_a_gang_takes_a_whole_node_of_one_that_is_over_and_as_little_work_as_can_be():
    leases = [
        a_spot_lease(f"lea_{k}{half}", company="acme", started_at=5000 + 10 * k, **{f"n{k}": 4})
        for k in (1, 2, 3)
        for half in "ab"
    ]
    shape = Gang(nodes=1, gpus_per_node=8)
    plan = replan(a_pool(*leases, nodes=3), waits(8, shape=shape), NOW)
    [(node, gpus)] = plan.pulled[LeaseId("lea_new")].placement
    assert gpus == 8
    assert cut(plan) == {lease.id for lease in leases if lease.placement[0][0] == node}


def test_what_is_reclaimed_gives_way_to_what_is_reserved():
    plan = replan(a_pool(*FULL), waits(4), NOW)
    asked = [(LeaseId("lea_res"), an_ask(Total(gpus=5), company="cone", duration_s=100, notice_s=0), NOW)]
    found = replan(plan.book, asked, NOW)
    assert isinstance(found.pulled[LeaseId("lea_res")], Promise)
    assert found.pulled[LeaseId("lea_res")].start <= NOW + NOTICE_S + GAP_S + NOTICE_S + GAP_S
    assert scheduled(*waits(4)[0], plan.pulled[LeaseId("lea_new")]).is_spot
