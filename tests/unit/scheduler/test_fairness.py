"""An ask that would lift its company above its share of a contended pool waits, and is served in its company's turn."""

from dataclasses import replace
from typing import Any

import pytest

from scheduler.core import codec
from scheduler.core.book import Book
from scheduler.core.codec import Item
from scheduler.core.decide import Decided, decide
from scheduler.core.explain import sentence
from scheduler.core.fairness import Ranks
from scheduler.core.model import (
    Ask,
    Code,
    CompanyId,
    Gang,
    Instant,
    Lease,
    LeaseId,
    Promise,
    Queued,
    Refusal,
    State,
    Total,
)
from scheduler.core.replan import Plan, expectation, replan
from scheduler.core.shares import Group, Share, Use, Uses
from tests.builders import a_book, a_lease, a_node, a_policy, an_ask

NOW = Instant(1000)
ACME, BOLT = CompanyId("acme"), CompanyId("bolt")
SHARES: tuple[Item, ...] = (Share(company=ACME, shares=1), Share(company=BOLT, shares=3))


def a_pool(*leases: Lease, contended: str = "booked", ppm: int = 500_000, nodes: int = 2, **policy: Any) -> Book:
    """16 GPUs, 4 of them acme's share and 12 bolt's, contended where more than half are booked."""
    rules = a_policy(gap_s=0, contended=contended, contended_ppm=ppm, **policy)
    return a_book(*leases, policy=rules, nodes=nodes, quota=16).changed(SHARES)


def running(id: str, company: str, *, since: int = 900, until: int = 1500, **placement: int) -> Lease:
    return a_lease(
        id, company=company, state=State.ACTIVE, starts_at=since, duration_s=until - since, **(placement or {"n1": 8})
    )


def asked(book: Book, *asks: Ask) -> Decided:
    return decide(book, [(LeaseId(f"ask_{k:02}"), ask) for k, ask in enumerate(asks)], NOW)


def a_queue(*asks: Ask, since: int = 900) -> list[tuple[LeaseId, Ask, Instant]]:
    return [(LeaseId(f"ask_{k:02}"), ask, Instant(since + k)) for k, ask in enumerate(asks)]


def starts(plan: Plan) -> dict[LeaseId, Instant]:
    return {id_: promise.start for id_, promise in plan.pulled.items()}


# --- who is asked to wait ---------------------------------------------------------------------------------------------


def test_within_its_share_everybody_is_promised_a_start_however_full_the_pool_is():
    decided = asked(a_pool(running("lea_b", "bolt")), an_ask(Total(gpus=4)))
    assert [type(one) for one in decided.verdicts] == [Promise]


def test_above_its_share_of_a_contended_pool_an_ask_is_queued_with_numbers_and_an_outlook():
    [one] = asked(a_pool(running("lea_b", "bolt")), an_ask(Total(gpus=5))).verdicts
    assert isinstance(one, Queued)
    assert (one.code, one.first_fit) == (Code.WAITS_FOR_SHARE, 1000)
    said = {name: one.numbers[name] for name in ("share_gpus", "share_held_gpus", "contended_at", "asked_gpus")}
    assert said == {"share_gpus": 4, "share_held_gpus": 0, "contended_at": 1000, "asked_gpus": 5}


def test_where_the_pool_is_not_contended_nobody_is_held_to_a_share():
    [one] = asked(a_pool(), an_ask(Total(gpus=8))).verdicts
    assert isinstance(one, Promise)


def test_an_instant_is_contended_once_more_of_the_pool_is_booked_than_its_policy_says():
    for gpus, want in ((8, Promise), (9, Queued)):
        [one] = asked(a_pool(), an_ask(Total(gpus=gpus))).verdicts
        assert isinstance(one, want)


def test_every_instant_of_the_box_counts_and_not_only_its_first():
    later = replace(a_lease("lea_b", company="bolt", starts_at=1090, n1=8), start=Instant(1090))
    decided = asked(a_pool(later), an_ask(Total(gpus=5), duration_s=90), an_ask(Total(gpus=5), duration_s=91))
    assert [type(one) for one in decided.verdicts] == [Promise, Queued]


def test_what_a_company_holds_already_counts_to_its_share():
    held = running("lea_a", "acme", n2=3)
    decided = asked(a_pool(held, running("lea_b", "bolt")), an_ask(Total(gpus=1)), an_ask(Total(gpus=1)))
    assert [type(one) for one in decided.verdicts] == [Promise, Queued]


def test_where_no_instant_is_ever_contended_all_is_as_without_shares():
    asks = [an_ask(Total(gpus=8)), an_ask(Total(gpus=8), company="bolt"), an_ask(Total(gpus=8))]
    plain = a_book(policy=a_policy(gap_s=0), nodes=2, quota=16)
    assert asked(a_pool(contended="none"), *asks).verdicts == asked(plain, *asks).verdicts


def test_where_every_instant_is_contended_a_share_is_all_that_is_promised_at_once():
    decided = asked(a_pool(contended="always"), an_ask(Total(gpus=4)), an_ask(Total(gpus=1)))
    assert [type(one) for one in decided.verdicts] == [Promise, Queued]


def test_who_will_not_wait_is_refused_and_told_why():
    [one] = asked(a_pool(running("lea_b", "bolt")), an_ask(Total(gpus=5), queue=False)).verdicts
    assert isinstance(one, Refusal)
    assert (one.code, one.numbers["waits_for"]) == (Code.NO_START_IN_WINDOW, "share")


def test_what_waits_for_its_share_is_said_in_words():
    ask = an_ask(Total(gpus=5))
    [one] = asked(a_pool(running("lea_b", "bolt")), ask).verdicts
    assert "acme would have more than its share of pool h100-80gb, 4 GPUs, from 1970-01-01T00:16:40Z on" in sentence(
        one, ask
    )


def test_an_ask_that_takes_less_gets_as_much_as_its_share_allows():
    [one] = asked(a_pool(running("lea_b", "bolt")), an_ask(Total(gpus=8), min_size=2)).verdicts
    assert isinstance(one, Promise)
    assert one.shape == Total(gpus=4)


def test_a_slot_that_would_be_contended_is_not_chosen_where_the_earliest_start_is_not():
    """With slack the slot is as late as that allows; there bolt has booked half of the pool."""
    later = replace(a_lease("lea_b", company="bolt", starts_at=1150, n1=8), start=Instant(1150))
    now = a_lease("lea_first", company="bolt", state=State.ACTIVE, starts_at=900, duration_s=110, n1=8, n2=8)
    [one] = asked(a_pool(now, later, slack_ppm=1_000_000), an_ask(Total(gpus=5))).verdicts
    assert isinstance(one, Promise)
    assert one.start == 1010


# --- whose turn it is -------------------------------------------------------------------------------------------------


def test_who_is_owed_most_is_served_first_whoever_asked_first():
    uses = Uses(at=NOW, of=(Use(company=ACME, used=900, entitled=0), Use(company=BOLT, used=0, entitled=900)))
    book = a_pool(running("lea_x", "core"), contended="always").changed([uses])
    queue = a_queue(an_ask(Gang(nodes=1, gpus_per_node=8)), an_ask(Gang(nodes=1, gpus_per_node=8), company="bolt"))
    assert starts(replan(book, queue, NOW))[LeaseId("ask_01")] == 1000


def test_equal_companies_are_served_in_order_of_arrival():
    book = a_pool(contended="always").changed([Share(company=ACME, shares=3)])
    queue = a_queue(an_ask(Total(gpus=16), company="bolt"), an_ask(Total(gpus=16)))
    assert starts(replan(book, queue, NOW))[LeaseId("ask_00")] == 1000


def test_a_burst_in_one_second_is_parted_by_shares():
    """acme asks forty times before bolt does: what is granted counts at once, so they take turns one to three."""
    book = a_pool(contended="always", nodes=2)
    queue = a_queue(
        *(an_ask(Total(gpus=1)) for _ in range(40)), *(an_ask(Total(gpus=1), company="bolt") for _ in range(40))
    )
    plan = replan(book, queue, NOW)
    now = [plan.book.leases[id_].company for id_, start in starts(plan).items() if start == 1000]
    assert (now.count(ACME), now.count(BOLT)) == (4, 12)


def test_what_is_left_when_nobody_else_wants_it_goes_above_the_share():
    plan = replan(a_pool(running("lea_b", "bolt")), a_queue(an_ask(Total(gpus=8))), NOW)
    assert starts(plan) == {"ask_00": 1000}


def test_above_shares_one_lease_of_the_pool_is_promised_a_later_start_and_no_more():
    """acme is first, as it has had nothing: the room that it waits for is kept for it."""
    full = [running("lea_b", "bolt"), running("lea_c", "bolt", until=1300, n2=6)]
    wide = an_ask(Gang(nodes=1, gpus_per_node=8))
    plan = replan(a_pool(*full), a_queue(wide, replace(wide, company=BOLT)), NOW)
    assert (starts(plan), list(plan.left)) == ({"ask_00": 1300}, ["ask_01"])
    again = replan(plan.book, a_queue(wide, replace(wide, company=BOLT))[1:], NOW)
    assert list(again.left) == ["ask_01"]


def test_of_one_company_nobody_overtakes_an_ask_that_waits_for_its_share():
    full = [running("lea_b", "bolt"), running("lea_c", "bolt", until=1300, n2=6)]
    wide = an_ask(Gang(nodes=1, gpus_per_node=8))
    plan = replan(a_pool(*full), a_queue(wide, wide, an_ask(Total(gpus=2), duration_s=50)), NOW)
    assert starts(plan) == {"ask_00": 1300}
    assert {one.code for one in plan.left.values()} == {Code.WAITS_FOR_SHARE}


def test_who_had_more_than_it_was_entitled_to_borrows_up_to_the_start_that_somebody_before_it_waits_for():
    full = [running("lea_b", "bolt"), running("lea_c", "bolt", until=1300, n2=6)]
    for duration_s, want in ((300, {"ask_00": 1300, "ask_01": 1000}), (301, {"ask_00": 1300})):
        small = an_ask(Total(gpus=2), company="bolt", duration_s=duration_s)
        plan = replan(a_pool(*full), a_queue(an_ask(Gang(nodes=1, gpus_per_node=6)), small), NOW)
        assert starts(plan) == want


def test_who_is_owed_something_may_start_a_long_box_beside_what_others_wait_for():
    full = [running("lea_b", "bolt"), running("lea_c", "bolt", until=1300, n2=6)]
    owed = Uses(at=NOW, of=(Use(company=ACME, used=0, entitled=10**6), Use(company=BOLT, used=0, entitled=10**5)))
    small = an_ask(Total(gpus=1), company="bolt", duration_s=3000)
    wide = an_ask(Gang(nodes=1, gpus_per_node=7))
    plan = replan(a_pool(*full).changed([owed]), a_queue(wide, small), NOW)
    assert starts(plan) == {"ask_00": 1300, "ask_01": 1000}


def test_no_promise_is_moved_for_who_is_owed_more():
    promised = [a_lease(f"lea_{k}", company="acme", starts_at=1500, n1=8) for k in range(1)]
    full = [running("lea_b", "bolt"), running("lea_c", "bolt", n2=8)]
    owed = Uses(at=NOW, of=(Use(company=BOLT, used=0, entitled=10**9),))
    book = a_pool(*full, *promised).changed([owed])
    plan = replan(book, a_queue(an_ask(Gang(nodes=2, gpus_per_node=8), company="bolt")), NOW)
    assert plan.moves == ()
    assert plan.book.leases[LeaseId("lea_0")].starts_at == 1500


def test_of_those_that_wait_for_their_start_who_is_owed_most_is_moved_earlier_first():
    waiting = [
        replace(a_lease(f"lea_{name}", company=name, starts_at=1500, n1=8), asked_at=Instant(at))
        for name, at in (("acme", 1), ("bolt", 2))
    ]
    waiting[1] = replace(waiting[1], placement=a_lease(n2=8).placement)
    for owed, other in ((ACME, BOLT), (BOLT, ACME)):
        uses = Uses(at=NOW, of=(Use(company=owed, used=0, entitled=900), Use(company=other, used=900, entitled=0)))
        book = a_pool(*waiting, running("lea_x", "core", n2=8)).changed([uses])
        [move] = replan(book, (), NOW).moves
        assert move.after.company == owed


def test_what_is_granted_counts_until_it_is_used():
    policy = a_policy(entry_s=60)
    leases = [a_lease("lea_1", n1=2), a_lease("lea_2", state=State.ACTIVE, starts_at=980, n1=1)]
    ranks = Ranks.of(a_pool().fair, leases, policy, NOW)
    assert ranks.beyond(ACME) == 2 * 60 + 1 * 40
    ranks.grant(ACME, 3, 20)
    assert ranks.beyond(ACME) == 160 + 60


def test_a_company_with_a_larger_share_is_above_it_later():
    ranks = Ranks.of(a_pool().fair, [], a_policy(entry_s=60), NOW)
    ranks.grant(ACME, 1, 60)
    ranks.grant(BOLT, 3, 60)
    assert ranks.rank(ACME) == ranks.rank(BOLT)


# --- what a book says -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "item",
    [
        Share(company=ACME, shares=5),
        Share(company=ACME, shares=5, group="seed"),
        Group(name="seed", shares=2),
        Uses(at=NOW, of=(Use(company=ACME, used=1, entitled=2),)),
    ],
)
def test_shares_groups_and_uses_are_written_down_and_read_back(item: Item):
    assert codec.decode(codec.kind(item), codec.encode(item)) == item


def test_shares_groups_and_uses_are_part_of_the_digest():
    book = a_pool()
    changed = [
        Share(company=ACME, shares=5),
        Group(name="seed", shares=2),
        Uses(at=NOW, of=(Use(company=ACME, used=1, entitled=0),)),
    ]
    digests = {book.digest(NOW), *(book.changed([item]).digest(NOW) for item in changed)}
    assert len(digests) == 4


def test_no_shares_are_the_default_again():
    book = a_pool()
    changed = book.changed([Share(company=BOLT, shares=0), Group(name="seed", shares=1)])
    assert changed.fair.parts == {ACME: 500_000_000, BOLT: 500_000_000}
    assert changed.changed([Group(name="seed", shares=0)]).fair.groups == {}


def test_a_policy_that_says_what_contended_is_counts_what_is_booked_already():
    book = a_pool(running("lea_b", "bolt"), contended="none").changed(
        [a_policy(gap_s=0, contended="booked", contended_ppm=500_000)]
    )
    [one] = asked(book, an_ask(Total(gpus=5))).verdicts
    assert isinstance(one, Queued)


def test_a_smaller_pool_is_contended_sooner():
    book = a_pool().changed([replace(a_pool().nodes[next(iter(a_pool().nodes))], capacity=0)])
    for gpus, want in ((4, Promise), (5, Queued)):
        [one] = asked(book, an_ask(Total(gpus=gpus))).verdicts
        assert isinstance(one, want)


# --- what is expected -------------------------------------------------------------------------------------------------


def whole(company: str) -> Ask:
    return an_ask(Total(gpus=16), company=company, duration_s=100)


def test_queued_asks_are_expected_in_the_order_of_turns_and_not_of_arrival():
    book = a_pool(running("lea_a", "acme"), contended="always", entry_s=150)
    found = expectation(book, a_queue(whole("acme"), whole("acme"), whole("bolt"), whole("bolt")), NOW).starts
    assert sorted(found, key=lambda id_: found[id_] or 0) == ["ask_02", "ask_00", "ask_03", "ask_01"]


def test_where_shares_do_not_count_queued_asks_are_expected_in_the_order_of_arrival():
    book = a_pool(running("lea_a", "acme"), contended="none")
    queue = a_queue(whole("acme"), whole("bolt"))
    assert [expectation(book, queue, NOW).starts[id_] for id_, _, _ in queue] == [1500, 1600]


def test_promised_starts_are_expected_earlier_in_the_order_of_turns():
    late = [
        a_lease(f"lea_{company}", company=company, starts_at=4000, duration_s=100, n1=8, n2=8)
        for company in ("acme", "bolt")
    ]
    late[1] = replace(late[1], starts_at=Instant(5000), ends_at=Instant(5100), stops_at=Instant(5100))
    for contended, want in (("none", [1500, 1600]), ("always", [1600, 1500])):
        book = a_pool(running("lea_a", "acme"), *late, contended=contended)
        found = expectation(book, (), NOW).starts
        assert [found[lease.id] for lease in late] == want


def test_a_third_of_24_gpus_is_8() -> None:
    shares = [Share(company=CompanyId(name), shares=1) for name in ("acme", "bolt", "cone")]
    book = Book.of(
        a_policy(contended="always"),
        [a_node(f"n{k}", 8) for k in range(3)],
        quotas={one.company: 24 for one in shares},
        fair=shares,
    )
    assert [book.fair.gpus(one.company, book.nominal) for one in shares] == [8, 8, 8]
