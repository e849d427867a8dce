"""The digest of a book, to the byte; and what a book that is kept has besides it is what one made anew has."""

from scheduler.core.book import Book
from scheduler.core.codec import canonical
from scheduler.core.model import Instant, State
from scheduler.core.reserve import RESERVE
from scheduler.core.tally import weight
from tests.builders import a_book, a_lease, a_node, a_policy

LEASE = a_lease("lea_1", n1=4, n2=4)


def test_the_bytes_of_an_item_stay_what_they_are_for_decisions_are_kept_for_years() -> None:
    assert canonical(LEASE) == (
        b'["lease",{"asked_at":0,"company":"acme","duration_s":100,"ends_at":200,"id":"lea_1","notice_s":0,'
        b'"placement":[["n1",4],["n2",4]],"pool":"h100-80gb","promised_start":100,"purpose":"training","shape":[8],'
        b'"starts_at":100,"state":"scheduled","stops_at":200}]'
    )
    assert canonical(a_node("n1")) == b'["node",{"capacity":8,"id":"n1","nominal":8,"open":true}]'


def test_a_digest_is_the_sum_of_what_is_in_the_book() -> None:
    without, node = a_book(), weight(a_node("n2"))
    before = int.from_bytes(without.digest(0))
    assert int.from_bytes(without.changed([a_node("n2")]).digest(0)) == (before + node) % (1 << 256)
    assert without.put_lease(LEASE).put_leases([]).digest(0) == without.put_lease(LEASE).digest(0)


def test_an_ended_lease_counts_until_its_gap_is_over() -> None:
    ended = a_lease("lea_1", state=State.ENDED, starts_at=0, duration_s=100, started_at=0)
    book = a_book(ended, gap_s=10)
    assert book.digest(109) != a_book(gap_s=10).digest(109)
    assert book.digest(110) == a_book(gap_s=10).digest(110)


def test_what_is_put_and_lifted_again_leaves_no_trace() -> None:
    book = a_book()
    cancelled = a_lease("lea_1", state=State.CANCELLED)
    assert book.put_lease(a_lease("lea_1")).put_lease(cancelled).digest(0) == book.digest(0)


def test_who_shares_the_reserve_follows_the_size_of_the_pool() -> None:
    policy = a_policy(reserve_ppm=500_000, reserve_over_s=10)
    lease = a_lease("lea_1", n1=6)
    nodes = [a_node("n1"), a_node("n2", 0, nominal=0)]
    small = Book.of(policy, nodes, [lease])
    assert lease.id not in small.reserved
    grown = small.changed([a_node("n2", 8)])
    anew = Book.of(policy, [a_node("n1"), a_node("n2", 8)], [lease])
    assert grown.reserved == anew.reserved == {lease.id}
    assert grown.limits.steps(RESERVE) == anew.limits.steps(RESERVE)
    assert grown.digest(Instant(0)) == anew.digest(Instant(0))
