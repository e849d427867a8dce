"""Fair share acts before the promise and never after it, whatever is asked, used, lost and counted."""

from dataclasses import replace

from hypothesis import event, given, settings
from hypothesis import strategies as st

from scheduler.core.book import Book
from scheduler.core.contention import ALWAYS, calm
from scheduler.core.decide import decide
from scheduler.core.extend import Extended, NotExtended, extend, is_extendable
from scheduler.core.lease import resized_at
from scheduler.core.model import CompanyId, Instant, Lease, LeaseId, Policy, Promise
from scheduler.core.replan import replan
from scheduler.core.resize import Resized, grow
from scheduler.core.rules import EARLIEST_SLOT
from scheduler.core.shapes import size_of
from scheduler.core.shares import Share, Use, Uses
from tests.builders import a_policy, an_ask
from tests.effort import examples
from tests.property import slow
from tests.property.lives import HORIZON_S, Step, good_days, ones, policies
from tests.property.pool import ACME, BOLT, Pool

sharing = policies.map(lambda policy: replace(policy, contended=ALWAYS) if policy.contended == "none" else policy)
NAMES = [CompanyId(name) for name in ("acme", "bolt")]


def above(book: Book, lease: Lease) -> list[int]:
    """The seconds of the lease at which its company is above its share and the pool is contended, counted one by one."""
    limit = calm(book.policy, sum(node.capacity for node in book.nodes.values()))
    assert limit is not None
    held = slow.holdings(book.leases.values())
    share = book.fair.gpus(lease.company, book.nominal)
    return [
        at
        for at in range(lease.starts_at or 0, lease.ends_at or 0)
        if held[lease.company, at] > share and sum(held[name, at] for name in NAMES) > limit
    ]


@settings(max_examples=examples(300), deadline=None)
@given(sharing, good_days, st.lists(ones, min_size=1, max_size=4))
def test_an_ask_is_promised_nothing_above_its_share_of_a_contended_second(
    policy: Policy, history: list[Step], last: list[object]
):
    """By the rule that moves nobody, so that what is promised is where it was promised."""
    pool = Pool(policy=replace(policy, rule=EARLIEST_SLOT))
    for step in history:
        pool.live(step)
    asks = [(LeaseId(f"ask_{k}"), one.at(pool.now)) for k, one in enumerate(last)]  # type: ignore[attr-defined]
    promised = 0
    for id_, ask in asks:
        decided = decide(pool.book, [(id_, ask)], pool.now)
        pool.book = decided.book
        if isinstance(decided.verdicts[0], Promise):
            promised += 1
            assert above(pool.book, pool.book.leases[id_]) == []
    event(f"{promised} promised")


@settings(max_examples=examples(300), deadline=None)
@given(sharing, good_days, st.integers(1, 30), st.integers(1, 6), st.integers(0, 9))
def test_what_is_given_a_lease_beyond_its_promise_lifts_nobody_above_its_share_while_others_come_before(
    policy: Policy, history: list[Step], by_s: int, more: int, which: int
):
    """Who asks for more has used more than it was entitled to, and the other one waits."""
    pool = Pool(policy=policy)
    for step in history:
        pool.live(step)
    found = [one for one in pool.book.leases.values() if is_extendable(one) and (one.stops_at or 0) > pool.now]
    if not found:
        return
    lease = found[which % len(found)]
    other = BOLT if lease.company == ACME else ACME
    book = pool.book.changed([Uses(at=pool.now, of=(Use(company=lease.company, used=10**9, entitled=0),))])
    end = lease.ends_at or 0
    longer = extend(book, lease.id, end + by_s, pool.now, partly=True, rivals=[other])
    reached = end
    if isinstance(longer, Extended):
        reached = longer.lease.ends_at or 0
        assert [at for at in above(longer.book, longer.lease) if at >= end] == []
    if longer.obstacle is not None and longer.obstacle.what == "share":
        at_will = extend(book, lease.id, reached + 1, pool.now, rivals=[])
        assert isinstance(at_will, NotExtended) or reached in above(at_will.book, at_will.lease)
    larger = grow(book, lease.id, size_of(lease.shape) + more, pool.now, rivals=[other])
    if isinstance(larger, Resized):
        begins = max(resized_at(lease, pool.now), lease.starts_at or 0)
        assert [at for at in above(larger.book, larger.lease) if at >= begins] == []
    event(
        f"extended {reached - end > 0}, grown {isinstance(larger, Resized)}, {longer.obstacle and longer.obstacle.what}"
    )


@settings(max_examples=examples(200), deadline=None)
@given(sharing, good_days, st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2, max_size=2))
def test_no_promise_moves_later_for_anything_that_was_counted(
    policy: Policy, history: list[Step], counts: list[tuple[int, int]]
):
    pool = Pool(policy=policy)
    for step in history:
        pool.live(step)
    before = dict(pool.book.leases)
    uses = Uses(
        at=pool.now,
        of=tuple(
            Use(company=company, used=used, entitled=entitled)
            for company, (used, entitled) in zip((ACME, BOLT), counts, strict=True)
        ),
    )
    other = pool.book.changed([uses, Share(company=ACME, shares=50)])
    plan = replan(other, pool.waiting(), pool.now)
    for id_, lease in before.items():
        after = plan.book.leases[id_]
        assert (after.promised_start or 0) <= (lease.promised_start or 0)
        assert (after.starts_at or 0) <= (lease.starts_at or 0)


@settings(max_examples=examples(150), deadline=None)
@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.lists(st.sampled_from(["acme", "bolt"]), min_size=30, max_size=60),
    st.integers(1, 5),
)
def test_a_burst_in_one_second_is_parted_by_shares_whoever_came_first(
    acme: int, bolt: int, order: list[str], gpus: int
):
    """Where both want more than there is, each has its part to one ask, in whatever order they came."""
    policy = a_policy(horizon_s=HORIZON_S, gap_s=0, contended=ALWAYS, entry_s=10)
    shares = [Share(company=ACME, shares=acme), Share(company=BOLT, shares=bolt)]
    pool = Pool(policy=policy)
    nodes = [replace(node, capacity=gpus * 6, nominal=gpus * 6) for node in pool.nodes.values()]
    total = sum(node.capacity for node in nodes)
    book = Book.of(policy, nodes, quotas={ACME: 1000, BOLT: 1000}, fair=shares)
    wanted = [*order, *(["acme"] * 30), *(["bolt"] * 30)]
    queue = [
        (LeaseId(f"ask_{k:03}"), an_ask(company=name, duration_s=10), Instant(100)) for k, name in enumerate(wanted)
    ]
    queue = [(id_, replace(ask, shape=replace(ask.shape, gpus=gpus)), at) for id_, ask, at in queue]  # type: ignore[call-arg]
    plan = replan(book, queue, Instant(100))
    had = dict.fromkeys(NAMES, 0)
    for lease in plan.book.leases.values():
        if lease.starts_at == 100:
            had[lease.company] += lease.gpus
    assert sum(had.values()) == total
    for name, weight in ((ACME, acme), (BOLT, bolt)):
        ideal = min(total * weight / (acme + bolt), wanted.count(name) * gpus)
        other = total - min(
            total * (acme + bolt - weight) / (acme + bolt), wanted.count("bolt" if name == ACME else "acme") * gpus
        )
        assert min(ideal, other) - gpus <= had[name] <= max(ideal, other) + gpus
