"""A stretch of history lived again with something changed: what stands otherwise goes its own way, the rest does not."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

import pytest

from scheduler.core import record
from scheduler.core.book import Book
from scheduler.core.codec import Item
from scheduler.core.decide import decide
from scheduler.core.extend import Extended, extend
from scheduler.core.fragmentation import Mix
from scheduler.core.hindsight import Hindsight, Other, World, compare
from scheduler.core.lease import advance
from scheduler.core.model import Ask, Cause, CompanyId, Drain, Instant, LeaseId, NodeId, Purpose, State, Total
from scheduler.core.past import Asked, Happened, Past, Planned, Step
from scheduler.core.quota import Quota
from scheduler.core.replan import replan
from scheduler.core.resize import Resized, grow, shrink
from scheduler.core.starting import slip, spare
from scheduler.core.whatif import Change, Changes
from tests.builders import a_book, a_node, a_placement, a_policy, an_ask

ALWAYS: Callable[[], bool] = lambda: True  # noqa: E731
ONE_MORE = Changes(added=(a_node("+1"),))


@dataclass
class Reality:
    """What really happened, as the log would have it."""

    book: Book = field(default_factory=lambda: a_book(policy=a_policy(gap_s=1)))
    steps: list[Step] = field(default_factory=list[Step])
    first: Book = field(init=False)

    def __post_init__(self) -> None:
        self.first = self.book

    def ask(self, id: str, at: int, ask: Ask) -> None:
        now, asks = Instant(at), [(LeaseId(id), ask)]
        found = decide(self.book, asks, now)
        kept = record.of_asks(self.book, asks, now, found)
        self.book = found.book
        self.steps.append(Asked(decision=f"dec_{id}", now=now, asks=asks, result=kept.result))

    def plan(self, at: int, *waiting: tuple[str, Ask, int]) -> None:
        queue = [(LeaseId(one), ask, Instant(asked_at)) for one, ask, asked_at in waiting]
        found = replan(self.book, queue, Instant(at))
        kept = record.of_replan(self.book, queue, Instant(at), found)
        self.book = found.book
        ids = tuple(lease_id for lease_id, _, _ in queue)
        self.steps.append(Planned(decision=f"dec_{at}", now=Instant(at), queue=ids, result=kept.result))

    def start(self, id: str, at: int) -> None:
        self._to(id, at, State.ACTIVE, Cause.STARTED)

    def release(self, id: str, at: int) -> None:
        self._to(id, at, State.ENDING, Cause.RELEASED)
        self._to(id, at, State.ENDED, Cause.RELEASED)

    def end(self, id: str, at: int) -> None:
        self._to(id, at, State.ENDING, Cause.EXPIRED)
        self._to(id, at, State.ENDED, Cause.EXPIRED)

    def cancel(self, id: str, at: int) -> None:
        self._to(id, at, State.CANCELLED, Cause.CANCELLED)

    def item(self, at: int, item: Item) -> None:
        self.book = self.book.changed([item])
        self.steps.append(Happened(now=Instant(at), item=item))

    def lived(self, changes: Changes, until: int = 1000, go_on: Callable[[], bool] = ALWAYS) -> Hindsight:
        past = Past(book=self.first, queue=(), steps=self.steps, since=Instant(0), until=Instant(until))
        return compare(past, changes, go_on)

    def _to(self, id: str, at: int, state: State, cause: Cause) -> None:
        self.item(at, advance(self.book.leases[LeaseId(id)], state, cause, Instant(at)))

    def overbooked(self, changes: Changes) -> list[int]:
        """The instants at which, in the other world, a node has more on it than it can give from then on."""
        past = Past(book=self.first, queue=(), steps=self.steps, since=Instant(0), until=Instant(1000))
        real = World(past)
        other, found = Other(past, changes, real), list[int]()
        for step in past.steps:
            other.live(step)
            real.live(step)
            other.look_at_reality()
            if any(other.book.free.least(row, step.now, 1 << 40) < 0 for row in other.book.rows.values()):
                found.append(step.now)
        return found

    def extend(self, id: str, at: int, until: int) -> None:
        """Decided within the second that the log has."""
        found = extend(self.book, LeaseId(id), until, Instant(at + 1))
        assert isinstance(found, Extended)
        for item in (found.lease, *(after for _, after in found.moves)):
            self.item(at, item)

    def grow(self, id: str, at: int, size: int) -> None:
        found = grow(self.book, LeaseId(id), size, Instant(at + 1))
        assert isinstance(found, Resized)
        self.item(at, found.lease)


def stands(found: Hindsight) -> dict[str, tuple[str, int | None]]:
    return {one.lease: (one.change.value, one.by_s) for one in found.leases}


@pytest.fixture
def busy() -> Reality:
    """One node: `a` runs until 100, `b` from 101 and is released after 20 s, `c` from 122 on."""
    real = Reality()
    real.ask("a", 0, an_ask(Total(gpus=8), duration_s=100))
    real.start("a", 0)
    real.ask("b", 10, an_ask(Total(gpus=8), duration_s=200))
    real.ask("c", 20, an_ask(Total(gpus=8), duration_s=300, company="bolt"))
    real.end("a", 100)
    real.start("b", 101)
    real.release("b", 121)
    real.plan(121)
    real.start("c", 122)
    return real


def test_with_nothing_changed_it_is_what_it_was(busy: Reality) -> None:
    found = busy.lived(Changes())
    assert (found.unlike, found.decisions, found.reached) == ((), 4, 1000)
    assert set(stands(found).values()) == {("same", None)}


def test_who_starts_earlier_runs_as_long_as_it_really_ran(busy: Reality) -> None:
    found = busy.lived(ONE_MORE)
    by = {one.lease: one for one in found.leases}
    assert by[LeaseId("a")].change is Change.SAME
    assert by[LeaseId("b")].after.estimate == 10
    # b is released 20 s after its own start, and the pool is planned again two seconds later.
    assert by[LeaseId("c")].after.estimate == 32
    assert (found.unlike, by[LeaseId("c")].after.state) == ((), State.ENDED)


def test_a_quota_that_is_given_otherwise_is_not_changed_by_what_really_changed(busy: Reality) -> None:
    busy.item(130, Quota(company=CompanyId("acme"), gpus=4))
    busy.ask("d", 140, an_ask(Total(gpus=8)))
    found = busy.lived(Changes(quotas={CompanyId("acme"): 16}))
    assert stands(found)["d"] == ("granted", None)
    assert stands(busy.lived(Changes(quotas={CompanyId("bolt"): 16})))["d"] == ("same", None)


def test_a_node_that_is_gone_is_gone_whatever_it_really_did(busy: Reality) -> None:
    real = Reality(book=a_book(nodes=2, policy=a_policy(gap_s=1)))
    real.ask("a", 0, an_ask(Total(gpus=8), duration_s=100))
    real.ask("b", 1, an_ask(Total(gpus=8), duration_s=100))
    real.item(5, a_node("n2", 8))
    real.ask("c", 6, an_ask(Total(gpus=16), duration_s=10, company="bolt"))
    found = real.lived(Changes(removed=(NodeId("n2"),)))
    assert stands(found) == {"a": ("same", None), "b": ("later", 100), "c": ("lost", None)}


def test_what_ran_on_a_node_that_would_have_been_gone_is_named_and_goes_on(busy: Reality) -> None:
    gone = Changes(removed=(NodeId("n1"),))
    assert Reality().lived(gone).struck == ()
    assert busy.lived(Changes()).struck == busy.lived(ONE_MORE).struck == ()
    started = Reality(book=busy.book)
    started.end("c", 422)
    assert started.lived(gone).struck == (LeaseId("c"),)
    assert stands(started.lived(gone)) == {}


def test_what_starts_on_it_before_the_first_plan_is_named_too() -> None:
    real = Reality()
    real.ask("a", 0, an_ask(Total(gpus=8), start=1, duration_s=100))
    booked = Reality(book=real.book)
    booked.start("a", 1)
    assert booked.lived(Changes(removed=(NodeId("n1"),))).struck == (LeaseId("a"),)


def test_one_that_was_cancelled_before_it_started_is_released_then_where_it_started_earlier(busy: Reality) -> None:
    real = Reality()
    real.ask("a", 0, an_ask(Total(gpus=8), duration_s=100))
    real.start("a", 0)
    real.ask("b", 10, an_ask(Total(gpus=8), duration_s=100))
    real.cancel("b", 50)
    by = {one.lease: one for one in real.lived(ONE_MORE).leases}
    assert (by[LeaseId("b")].before.state, by[LeaseId("b")].after.state) == (State.CANCELLED, State.ENDED)


def test_one_that_waited_until_its_window_was_over_is_promised_a_start(busy: Reality) -> None:
    late = an_ask(Total(gpus=8), duration_s=10, start_by=60, company="bolt")
    real = Reality()
    real.ask("a", 0, an_ask(Total(gpus=8), duration_s=100))
    real.ask("b", 10, late)
    real.plan(150)
    assert stands(real.lived(ONE_MORE))["b"] == ("granted", None)
    assert stands(real.lived(Changes(policy=a_policy(gap_s=2))))["b"] == ("same", None)


def test_a_plan_that_left_the_queue_alone_takes_nobody_out_of_it() -> None:
    """A drain plans what is scheduled and not the queue; the next plan goes through it again."""
    late = an_ask(Total(gpus=8), duration_s=10, start=10, start_by=60, company="bolt")
    real = Reality()
    real.ask("a", 0, an_ask(Total(gpus=8), duration_s=100))
    real.ask("b", 10, late)
    real.plan(20)
    real.plan(21, ("b", late, 10))
    assert real.lived(Changes()).unlike == ()


def test_the_sizes_that_were_asked_for_are_seen_by_both_worlds() -> None:
    """Of 5 free and 8 free, three GPUs leave the 5 together once 5 is what is asked for."""
    real = Reality(book=a_book(nodes=2, policy=a_policy(gap_s=1)))
    real.ask("a", 0, an_ask(Total(gpus=3)))
    real.item(1, Mix(weights=((5, 160),)))
    real.ask("b", 2, an_ask(Total(gpus=3)))
    placed = real.book.leases[LeaseId("b")].placement
    assert placed == a_placement(n2=3)
    assert real.lived(Changes()).unlike == ()
    assert stands(real.lived(Changes(quotas={CompanyId("bolt"): 9}))) == {"a": ("same", None), "b": ("same", None)}


def test_both_worlds_are_lived_as_far_as_there_is_time_for(busy: Reality) -> None:
    left = iter([True, True, True, False])
    found = busy.lived(ONE_MORE, go_on=lambda: next(left))
    assert (found.reached, found.decisions) == (20, 2)
    assert sorted(stands(found)) == ["a", "b"]


def test_a_decision_that_does_not_come_out_again_is_named(busy: Reality) -> None:
    first = busy.steps[0]
    assert isinstance(first, Asked)
    busy.steps[0] = Asked(
        decision="dec_a", now=first.now, asks=first.asks, result=first.result.replace("starts_now", "starts_later")
    )
    assert busy.lived(Changes()).unlike == ("dec_a",)


def test_what_a_lease_gave_back_goes_with_it_where_it_stands_otherwise() -> None:
    """`b` starts at once on another node, so it never gives back what it gave back at 150, nor blocks anybody with it."""
    real = Reality(book=a_book(policy=a_policy(gap_s=30)))
    real.ask("a", 0, an_ask(Total(gpus=8), duration_s=100))
    real.start("a", 0)
    real.ask("b", 10, an_ask(Total(gpus=8), duration_s=200))
    real.end("a", 100)
    real.start("b", 130)
    found = shrink(real.book, LeaseId("b"), 4, Instant(150))
    assert found.cleaned is not None
    for item in (found.lease, found.cleaned):
        real.item(150, item)
    real.ask("c", 155, an_ask(Total(gpus=8), duration_s=50, company="bolt"))
    by = {one.lease: one for one in real.lived(Changes(added=(a_node("z1"),))).leases}
    assert by[LeaseId("b")].after.estimate == 10
    assert by[LeaseId("c")].after.estimate == 155
    assert set(stands(real.lived(Changes())).values()) == {("same", None)}


SLACK = a_policy(gap_s=1, slack_ppm=500_000)
NO_SLACK = Changes(policy=a_policy(gap_s=1))


def test_an_extension_into_a_promise_that_is_earlier_here_goes_as_far_as_that() -> None:
    """`b` has its promise at 201 for its slack, and `a` really got the time until then; without slack it is promised 101."""
    real = Reality(book=a_book(policy=SLACK))
    real.ask("a", 0, an_ask(Total(gpus=8), duration_s=100))
    real.start("a", 0)
    real.ask("b", 10, an_ask(Total(gpus=8), duration_s=200, company="bolt"))
    real.extend("a", 20, 200)
    real.plan(21)
    real.end("a", 200)
    real.start("b", 201)
    assert real.overbooked(NO_SLACK) == []
    assert stands(real.lived(NO_SLACK)) == {"a": ("same", None), "b": ("earlier", -100)}
    assert set(stands(real.lived(Changes())).values()) == {("same", None)}
    partly = real.lived(Changes(policy=a_policy(gap_s=1, slack_ppm=250_000)))
    assert {one.lease: one.after.estimate for one in partly.leases}[LeaseId("b")] == 151


def test_who_makes_way_for_an_extension_does_so_here_too_where_it_can() -> None:
    real = Reality(book=a_book(nodes=2, policy=a_policy(gap_s=1)))
    real.ask("a", 0, an_ask(Total(gpus=8), duration_s=100))
    real.start("a", 0)
    real.ask("b", 10, an_ask(Total(gpus=8), start=150, duration_s=100, company="bolt"))
    real.item(11, replace(real.book.leases[LeaseId("b")], placement=a_placement(n1=8)))
    real.extend("a", 20, 300)
    moved = real.book.leases[LeaseId("b")]
    assert moved.placement == a_placement(n2=8)
    for changes in (Changes(), Changes(quotas={CompanyId("none"): 1})):
        assert real.overbooked(changes) == []
        assert stands(real.lived(changes)) == {"a": ("same", None), "b": ("same", None)}
    less = Changes(removed=(NodeId("n2"),))
    assert stands(real.lived(less)) == {"a": ("same", None), "b": ("same", None)}


def test_a_size_that_there_is_no_room_or_quota_for_here_is_not_had() -> None:
    real = Reality(book=a_book(policy=SLACK))
    real.ask("a", 0, an_ask(Total(gpus=4), duration_s=100, purpose=Purpose.INFERENCE))
    real.start("a", 0)
    real.ask("w", 1, an_ask(Total(gpus=4), duration_s=50))
    real.start("w", 1)
    real.ask("b", 2, an_ask(Total(gpus=4), duration_s=200, company="bolt"))
    real.end("w", 51)
    real.grow("a", 60, 8)
    assert real.overbooked(NO_SLACK) == []
    assert real.overbooked(Changes()) == []


def test_spare_nodes_that_somebody_has_here_are_not_taken_twice() -> None:
    """`x` is released at 50: here `b` has its node from 52 on, and really `a` got it at 60."""
    real = Reality(book=a_book(nodes=2, policy=SLACK))
    real.ask("a", 0, an_ask(Total(gpus=8), start=60, duration_s=40))
    real.ask("x", 1, an_ask(Total(gpus=8), duration_s=100))
    real.start("x", 1)
    real.ask("b", 2, an_ask(Total(gpus=8), duration_s=200, company="bolt"))
    real.release("x", 50)
    [(first, _)] = real.book.leases[LeaseId("a")].placement
    moved = spare(real.book, real.book.leases[LeaseId("a")], lambda nodes: given(nodes, without=first), Instant(60))
    assert moved is not None
    real.item(60, moved)
    real.start("a", 60)
    assert real.overbooked(NO_SLACK) == []
    found = {one.lease: one for one in real.lived(NO_SLACK).leases}
    assert (found[LeaseId("b")].after.estimate, found[LeaseId("a")].after.estimate) == (52, 60)


def test_a_slot_that_somebody_has_here_is_not_slipped_into() -> None:
    real = Reality(book=a_book(policy=SLACK))
    real.ask("a", 0, an_ask(Total(gpus=8), start=60, duration_s=40))
    real.ask("b", 2, an_ask(Total(gpus=8), duration_s=200, company="bolt"))
    real.item(60, slip(real.book, real.book.leases[LeaseId("a")], Instant(61))[0])
    assert real.overbooked(NO_SLACK) == []


def given(nodes: Collection[NodeId], without: NodeId) -> dict[NodeId, int]:
    return {node: 0 if node == without else 8 for node in nodes}


def test_promises_that_were_different_are_told_apart_though_both_slipped_to_the_same_start() -> None:
    real = Reality(book=a_book(policy=SLACK))
    real.ask("a", 0, an_ask(Total(gpus=8), duration_s=100))
    real.start("a", 0)
    real.ask("b", 10, an_ask(Total(gpus=8), duration_s=200, company="bolt"))
    real.item(20, Drain(id="d", node=NodeId("n1"), starts_at=Instant(90), ends_at=Instant(500)))
    real.plan(21)
    real.end("a", 100)
    real.start("b", 500)
    [one] = [one for one in real.lived(NO_SLACK).leases if one.lease == "b"]
    assert (one.before.estimate, one.after.estimate) == (500, 500)
    assert (one.before.promised, one.after.promised, one.change, one.by_s) == (201, 101, Change.EARLIER, -100)
