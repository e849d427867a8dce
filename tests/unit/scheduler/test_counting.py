"""What companies used and were entitled to is counted from one instant to the next."""

from dataclasses import replace

from scheduler.core.book import Book
from scheduler.core.counting import Wanted, counted, wanted
from scheduler.core.model import CompanyId, Instant, Lease, LeaseId, State, Total
from scheduler.core.shares import UNCOUNTED, Share, Use, Uses
from tests.builders import a_book, a_lease, a_policy, an_ask

NOW = Instant(1000)
ACME, BOLT = CompanyId("acme"), CompanyId("bolt")


def a_pool(*leases: Lease, uses: Uses = UNCOUNTED, half_life_s: int = 100) -> Book:
    policy = a_policy(gap_s=0, contended="booked", half_life_s=half_life_s)
    shares = [Share(company=ACME, shares=1), Share(company=BOLT, shares=3)]
    return a_book(*leases, policy=policy, quota=8).changed([*shares, uses])


def wants(**gpus: int) -> Wanted:
    return Wanted(gpus={CompanyId(name): count for name, count in gpus.items()}, pool_gpus=8)


def test_what_runs_and_what_waits_is_wanted_up_to_the_quota():
    leases = [
        a_lease("lea_1", state=State.ACTIVE, starts_at=900, duration_s=500, n1=2),
        a_lease("lea_2", starts_at=1500, n1=1),
        a_lease("lea_3", company="bolt", state=State.ENDING, starts_at=900, duration_s=500, n1=3),
    ]
    queue = [
        (LeaseId("ask_1"), an_ask(Total(gpus=2)), NOW),
        (LeaseId("ask_2"), an_ask(Total(gpus=7), company="bolt"), NOW),
    ]
    assert wanted(a_pool(*leases), queue, NOW) == wants(acme=5, bolt=8)


def test_what_is_asked_for_a_later_time_is_not_wanted_yet():
    fixed = replace(a_lease("lea_1", starts_at=1500, n1=2), start=Instant(1500))
    window = replace(a_lease("lea_2", starts_at=1600, n1=1), start=Instant(1200), start_by=Instant(1600))
    queue = [(LeaseId("ask_1"), an_ask(Total(gpus=2), start=1001), NOW)]
    assert wanted(a_pool(fixed, window), queue, NOW).gpus == {}
    assert wanted(a_pool(fixed, window), queue, Instant(1200)).gpus == {ACME: 3}


def test_the_first_count_only_begins():
    assert counted(a_pool(), {ACME: 9}, wants(acme=8), NOW) == Uses(at=NOW, of=())


def test_each_is_entitled_to_its_part_of_what_there_was_while_it_wanted_it():
    before = Uses(at=Instant(900), of=())
    found = counted(a_pool(uses=before), {ACME: 600, BOLT: 200}, wants(acme=8, bolt=8), NOW)
    assert found.of == (Use(company=ACME, used=600, entitled=200), Use(company=BOLT, used=200, entitled=600))


def test_who_wants_less_than_its_share_is_owed_nothing_for_it():
    found = counted(a_pool(uses=Uses(at=Instant(900), of=())), {BOLT: 100}, wants(acme=8, bolt=1), NOW)
    assert found.of == (Use(company=ACME, used=0, entitled=700), Use(company=BOLT, used=100, entitled=100))


def test_what_was_counted_before_is_worth_half_after_a_half_life():
    before = Uses(at=Instant(900), of=(Use(company=ACME, used=600, entitled=200),))
    assert counted(a_pool(uses=before), {}, wants(), NOW).of == (Use(company=ACME, used=300, entitled=100),)


def test_what_has_faded_away_is_forgotten():
    before = Uses(at=Instant(900), of=(Use(company=ACME, used=1, entitled=1),))
    assert counted(a_pool(uses=before), {}, wants(), NOW) == Uses(at=NOW, of=())


def test_a_count_at_the_same_instant_changes_nothing():
    before = Uses(at=NOW, of=(Use(company=ACME, used=600, entitled=200),))
    assert counted(a_pool(uses=before), {}, wants(acme=8), NOW) == before
