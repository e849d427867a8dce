"""The core's values with defaults, so that a test says only what it is about. Instants in them are small numbers."""

from dataclasses import replace
from typing import Any

from scheduler.core.book import Book
from scheduler.core.lease import queued, scheduled
from scheduler.core.model import (
    Ask,
    Code,
    CompanyId,
    Instant,
    Lease,
    LeaseId,
    Node,
    NodeId,
    Placement,
    Policy,
    PoolId,
    Promise,
    Purpose,
    Shape,
    State,
    Tier,
    Total,
)

HORIZON_S = 10_000
GAP_S = 10


def a_policy(
    *, horizon_s: int = HORIZON_S, gap_s: int = GAP_S, rule: str = "late-slots", slack_ppm: int = 0, **more: Any
) -> Policy:
    """Without slack, unless said otherwise."""
    return Policy(version="test", horizon_s=horizon_s, gap_s=gap_s, rule=rule, slack_ppm=slack_ppm, **more)


def a_node(id: str = "n1", gpus: int = 8, *, open: bool = True, nominal: int | None = None) -> Node:
    return Node(id=NodeId(id), capacity=gpus, open=open, nominal=gpus if nominal is None else nominal)


def a_placement(**gpus: int) -> Placement:
    """`a_placement(n1=4, n2=4)`"""
    return tuple(sorted((NodeId(node), count) for node, count in gpus.items()))


def an_ask(
    shape: Shape | None = None,
    *,
    company: str = "acme",
    duration_s: int = 100,
    start: int | None = None,
    start_by: int | None = None,
    queue: bool = True,
    notice_s: int = 0,
    purpose: Purpose = Purpose.TRAINING,
    min_size: int | None = None,
    tier: Tier = Tier.RESERVED,
    or_spot: bool = False,
) -> Ask:
    return Ask(
        company=CompanyId(company),
        pool=PoolId("h100-80gb"),
        shape=shape or Total(gpus=4),
        duration_s=duration_s,
        start=None if start is None else Instant(start),
        start_by=None if start_by is None else Instant(start_by),
        queue=queue,
        notice_s=notice_s,
        purpose=purpose,
        min_size=min_size,
        tier=tier,
        or_spot=or_spot,
    )


def a_lease(
    id: str = "lea_1",
    *,
    company: str = "acme",
    state: State = State.SCHEDULED,
    starts_at: int = 100,
    duration_s: int = 100,
    stops_at: int | None = None,
    started_at: int | None = None,
    **placement: int,
) -> Lease:
    """A lease with a slot, of 4 GPUs on n1 unless its placement says otherwise: `a_lease(n1=2, n2=2)`.

    One that runs has started in time unless `started_at` says otherwise.
    """
    placed = a_placement(**(placement or {"n1": 4}))
    ends_at = starts_at + duration_s
    if started_at is None and state in (State.ACTIVE, State.ENDING):
        started_at = starts_at
    return Lease(
        id=LeaseId(id),
        company=CompanyId(company),
        pool=PoolId("h100-80gb"),
        shape=Total(gpus=sum(gpus for _, gpus in placed)),
        duration_s=duration_s,
        state=state,
        notice_s=0,
        promised_start=Instant(starts_at),
        starts_at=Instant(starts_at),
        ends_at=Instant(ends_at),
        stops_at=Instant(ends_at if stops_at is None else stops_at),
        started_at=None if started_at is None else Instant(started_at),
        placement=placed,
    )


def at_its_time(lease: Lease) -> Lease:
    """The lease asked for the time of its slot, so that it does not move."""
    return replace(lease, start=lease.starts_at)


def a_queued_lease(id: str = "lea_1", ask: Ask | None = None) -> Lease:
    """A lease without a slot."""
    return queued(LeaseId(id), ask or an_ask(), Instant(0))


def a_promise(start: int = 100, end: int = 200, **placement: int) -> Promise:
    placed = a_placement(**(placement or {"n1": 4}))
    at = Instant(start)
    return Promise(code=Code.STARTS_LATER, promised=at, start=at, end=Instant(end), placement=placed, estimate=at)


def granted(id: str, ask: Ask, promise: Promise) -> Lease:
    """What becomes of an ask that was promised a start."""
    return scheduled(LeaseId(id), ask, Instant(0), promise)


QUOTA = 16


def a_book(
    *leases: Lease,
    nodes: int = 1,
    gpus: int = 8,
    quota: int = QUOTA,
    policy: Policy | None = None,
    horizon_s: int = HORIZON_S,
    gap_s: int = GAP_S,
) -> Book:
    """`nodes` nodes of `gpus` GPUs, named n1, n2 and so on, with these leases on them; the same quota for acme and bolt."""
    fleet = [a_node(f"n{k + 1}", gpus) for k in range(nodes)]
    quotas = {CompanyId("acme"): quota, CompanyId("bolt"): quota}
    return Book.of(policy or a_policy(horizon_s=horizon_s, gap_s=gap_s), fleet, leases, quotas)


def looks(book: Book) -> tuple[object, ...]:
    """All that a book says, to compare two of them."""
    free = {node: book.free.steps(row) for node, row in book.rows.items()}
    left = {company: book.left(company) for company in sorted({*book.accounts, *book.quotas})}
    waiting = [(key, book.waiting.table[place].tolist()) for place, key in enumerate(book.waiting.keys)]
    fair = book.fair.shares, book.fair.groups, book.fair.uses, book.fair.parts, book.calm.steps(0)
    return free, dict(book.nodes), dict(book.leases), dict(book.drains), left, len(waiting), fair
