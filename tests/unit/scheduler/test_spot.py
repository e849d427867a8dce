"""Spot beside what is reserved: who is preempted, and for whom."""

from dataclasses import replace

import pytest

from dure import wire
from scheduler.core import spot
from scheduler.core.book import Book
from scheduler.core.decide import Decided, decide
from scheduler.core.model import (
    CompanyId,
    Gang,
    Instant,
    Lease,
    LeaseId,
    Node,
    NodeId,
    Promise,
    Shape,
    State,
    Tier,
    Total,
)
from scheduler.core.replan import replan
from tests.builders import GAP_S, a_book, a_lease, a_node, a_policy, an_ask, at_its_time

NOW = Instant(1000)
NOTICE_S = 60
QUOTAS = {CompanyId(name): 24 for name in ("acme", "bolt", "cone")}


def a_spot_lease(
    id: str, *, company: str = "acme", started_at: int = 0, ends_at: int = 8000, **placement: int
) -> Lease:
    found = a_lease(
        id,
        company=company,
        state=State.ACTIVE,
        starts_at=started_at,
        duration_s=ends_at - started_at,
        **placement,
    )
    return replace(found, tier=Tier.SPOT, notice_s=NOTICE_S)


def asked(leases: list[Lease], shape: Shape, *, duration_s: int = 500, nodes: int = 3) -> Decided:
    book = Book.of(a_policy(), [a_node(f"n{k}", 8) for k in range(1, nodes + 1)], leases, QUOTAS)
    return decide(book, [(LeaseId("lea_new"), an_ask(shape, company="bolt", duration_s=duration_s))], NOW)


def cut(found: Decided) -> set[str]:
    return {after.id for before, after in found.moves if (after.stops_at or 0) < (before.stops_at or 0)}


def test_the_longest_notice_is_that_of_the_wire() -> None:
    assert spot.LONGEST_NOTICE_S == wire.SPOT_NOTICE_S


def test_idle_gpus_come_before_those_of_spot() -> None:
    found = asked([a_spot_lease("lea_a", n1=8), a_spot_lease("lea_b", n2=8)], Total(gpus=8))
    assert cut(found) == set()
    [one] = found.verdicts
    assert isinstance(one, Promise)
    assert one.start == NOW


@pytest.mark.parametrize(
    ("leases", "shape", "want"),
    [
        pytest.param(
            [
                a_spot_lease("lea_a", n1=4),
                a_spot_lease("lea_b", n1=4),
                a_spot_lease("lea_c", n2=8),
                a_spot_lease("lea_d", n3=8),
            ],
            Gang(nodes=2, gpus_per_node=8),
            {"lea_c", "lea_d"},
            id="few",
        ),
        pytest.param(
            [
                a_spot_lease("lea_a", n1=8, n2=8),
                a_spot_lease("lea_b", n3=4),
                a_spot_lease("lea_c", n3=4, started_at=900),
            ],
            Total(gpus=4),
            {"lea_c"},
            id="little work, not the largest",
        ),
        pytest.param(
            [
                a_spot_lease("lea_a", n1=8),
                a_spot_lease("lea_b", n2=8, started_at=500),
                a_spot_lease("lea_c", n3=8, company="cone", started_at=990),
            ],
            Total(gpus=8),
            {"lea_b"},
            id="of who has most, whoever worked least",
        ),
    ],
)
def test_preemption_harms_least(leases: list[Lease], shape: Shape, want: set[str]) -> None:
    assert cut(asked(leases, shape)) == want


def test_it_starts_after_notice_and_gap_and_stops_no_sooner_than_it_must() -> None:
    book = [a_spot_lease("lea_1", n1=8), a_spot_lease("lea_2", n2=8), a_spot_lease("lea_3", n3=8)]
    found = asked(book, Total(gpus=8))
    [one] = found.verdicts
    assert isinstance(one, Promise)
    assert (one.promised, one.start) == (NOW + NOTICE_S + GAP_S, NOW + NOTICE_S + GAP_S)
    [(_, after)] = found.moves
    assert after.stops_at == NOW + NOTICE_S
    later = decide(found.book, [(LeaseId("lea_later"), an_ask(Total(gpus=8), company="bolt", start=NOW + 2000))], NOW)
    assert [move[1].stops_at for move in later.moves] == []
    assert later.book.leases[LeaseId("lea_later")].placement == found.book.leases[LeaseId("lea_new")].placement


def test_what_lost_its_nodes_and_finds_no_others_slips_though_no_spot_lease_is_in_its_way() -> None:
    lost = at_its_time(a_lease("a", starts_at=5000, n1=8))
    beside = at_its_time(a_lease("b", starts_at=5000, n2=8))
    book = a_book(lost, beside, a_spot_lease("s", ends_at=3000, n2=4), nodes=2)
    gone = book.changed([Node(id=NodeId("n1"), capacity=0, nominal=8, lost_at=Instant(1))])
    [move] = replan(gone, (), NOW).moves
    assert (move.after.id, move.slipped_s) == ("a", 100 + GAP_S)
