"""What a pool is asked: for a lease, for a quote, and to be planned again.

Every function works in the caller's transaction and decides under the pool's lock, so two replicas can never both win.
The API calls it for people, the loop for time; besides it `scheduler.amend`, `scheduler.endings` and
`scheduler.turns` change leases, and nothing else does.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dure import wire
from dure.errors import DureError
from scheduler import asks, open_asks, planned
from scheduler.actor import Actor
from scheduler.core import quotes, record
from scheduler.core.book import Book
from scheduler.core.codec import Item
from scheduler.core.decide import decide
from scheduler.core.elsewhere import Option
from scheduler.core.lease import queued
from scheduler.core.model import Ask, Instant, LeaseId, Promise, Refusal, State, Verdict
from scheduler.core.model import Lease as CoreLease
from scheduler.core.replan import Plan, as_moves, replan
from scheduler.elsewhere import Elsewhere
from scheduler.expectations import Expectations
from scheduler.ids import new_id
from scheduler.store import (
    audit,
    bulk,
    changes,
    companies,
    due,
    edges,
    generation,
    leases,
    plans,
    records,
    shown_leases,
)
from scheduler.store.books import Books
from scheduler.store.db import Session, on_commit
from scheduler.store.plans import Answer
from scheduler.store.tables import Lease
from scheduler.store.times import to_wire
from scheduler.whatifs import WhatIfs

SOON_S = 2
"""The loop wakes every second anyway; only a start sooner than this is worth waking it for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An ask as it was sent, by whom, and in which request. `offer` is the offer that it claims, if it does."""

    body: wire.Ask
    actor: Actor
    request_id: str | None = None
    reason: str | None = None
    offer: str | None = None


class Service:
    """Holds nothing but the process's copy of the books.

    `clock` is read again once a pool's lock is ours: others may have held it for seconds, and no start is promised in
    a past that passed while waiting.
    """

    def __init__(self, books: Books, clock: Callable[[], float] = lambda: 0.0) -> None:
        self.books, self.clock = books, clock
        self.tell_plan: Callable[[str, Plan], None] = lambda *_: None
        """Told of each plan that was written, and of which pool, once it is committed."""
        self.expectations = Expectations(books)
        self.elsewhere = Elsewhere(books)
        self.what_ifs = WhatIfs(books)

    def locked(self, session: Session, pool: str, now: float) -> tuple[int, Book, float]:
        """The pool's generation and book under its lock, and the time now that we have it. Raises UnknownPool."""
        number, book = self.books.locked(session, pool, Instant(math.ceil(now)))
        return number, book, max(now, self.clock())

    def ask(
        self, session: Session, body: wire.Ask, *, actor: Actor, now: float, offer: str | None = None
    ) -> wire.Lease:
        """Decides an ask and stores the decision: the lease is `scheduled`, `queued` or `refused`.

        Raises UnknownCompany, CompanyClosed, UnknownPool, Forbidden, InvalidRequest, WindowInPast, BeyondHorizon; then
        nothing is stored.
        """
        said = {"request_id": session.info.get(audit.REQUEST_ID), "reason": session.info.get(audit.REASON)}
        request = Request(body=body, actor=actor, offer=offer, **said)
        [answer] = self.ask_all(session, body.pool, [request], now=now)
        if isinstance(answer, DureError):
            raise answer
        return answer

    def ask_all(
        self, session: Session, pool: str, requests: Sequence[Request], *, now: float
    ) -> list[wire.Lease | DureError]:
        """The same for asks of one pool that came together, in their order: one decision, one transaction.

        What `ask` would raise for one of them alone is its answer; the others are not touched by it. Raises
        UnknownPool.
        """
        number, book, now = self.locked(session, pool, now)
        held = companies.held(session, {found for found in map(_company, requests) if found is not None})
        parsed = [_parsed(session, request, now) for request in requests]
        del held
        fine = [(request, ask) for request, ask in zip(requests, parsed, strict=True) if isinstance(ask, Ask)]
        counted = open_asks.counted(session, book, [ask for _, ask in fine])
        taken = [(LeaseId(new_id("lea", now)), request, ask) for (request, _), ask in zip(fine, counted, strict=True)]
        at = Instant(math.ceil(now))
        pairs = [(lease_id, ask) for lease_id, _, ask in taken]
        decided = decide(book, pairs, at)
        expected = self.expectations.of_verdicts(session, pool, pairs, decided.verdicts, now)
        answers = [
            _answer(
                request,
                ask,
                verdict,
                decided.book.leases.get(lease_id) or queued(lease_id, ask, at),
                _claimed(request, _decision(verdict, ask, book, now, self.elsewhere.of(session, ask, verdict, at))),
            )
            for (lease_id, request, ask), verdict in zip(taken, decided.verdicts, strict=True)
        ]
        answers = [replace(found, expected=start) for found, start in zip(answers, expected, strict=True)]
        moves = as_moves(decided.moves)
        changed = bool(moves) or any(found.lease.state is State.SCHEDULED for found in answers)
        newer = generation.bump(session, pool) if changed else number
        audited = _audited(answers, [request for _, request, _ in taken], now)
        kept = record.of_asks(book, pairs, at, decided)
        stored = {"decided_at": number, "number": newer, "at": now, "audited": audited}
        plans.write_answers(session, answers, kept, quotas=book.quotas, **stored)
        if answers:
            plans.write_moves(session, pool, moves, decision=answers[0].decision.id, number=newer, at=now)
        self.books.keep_on_commit(session, pool, newer, decided.book)
        if any(found.lease.starts_at is not None and found.lease.starts_at <= now + SOON_S for found in answers):
            edges.notify(session, pool)
        session.flush()
        shown = iter(
            shown_leases.to_wire_lease(found.lease, found.decision, terms=_terms(request.body, book), estimate=estimate)
            for found, (_, request, _), estimate in zip(answers, taken, expected, strict=True)
        )
        return [ask if isinstance(ask, DureError) else next(shown) for ask in parsed]

    def quote(self, session: Session, body: wire.Ask, *, actor: Actor, now: float) -> wire.Quote:
        """What `ask` would decide within a second from now; nothing is stored. Raises what `ask` raises."""
        ask = asks.parsed(session, body, actor, now)
        at = Instant(math.ceil(now))
        _, book = self.books.seen(session, ask.pool, at)
        [ask] = open_asks.counted(session, book, [ask])
        verdict = quotes.quote(book, ask, at)
        [expected] = self.expectations.of_verdicts(session, ask.pool, [(LeaseId("~"), ask)], [verdict], now)
        return _quoted(verdict, ask, book, now, expected, self.elsewhere.of(session, ask, verdict, at))

    def quote_on(self, book: Book, body: wire.Ask, *, actor: Actor, now: float) -> wire.Quote | None:
        """The same for a company, on a book that is known to be the newest, without the database.

        None for what needs it: a refusal says what other pools would answer, whoever is queued is expected behind all that
        wait, and what waits counts where open asks are limited.
        """
        ask = asks.of_company(body, actor, now)
        if open_asks.limited(book, ask):
            return None
        verdict = quotes.quote(book, ask, Instant(math.ceil(now)))
        return _quoted(verdict, ask, book, now, verdict.estimate) if isinstance(verdict, Promise) else None

    def seen(self, session: Session, pool: str, *, now: float, queue: bool, items: Sequence[Item] = ()) -> Plan:
        """What `replan` would do, on what a snapshot shows; nothing is stored. Raises UnknownPool."""
        at = Instant(math.ceil(now))
        _, book = self.books.seen(session, pool, at)
        return replan(book.changed(items), due.asks(session, pool) if queue else (), at)

    def replan(
        self, session: Session, pool: str, *, now: float, queue: bool = True, items: Sequence[Item] = ()
    ) -> Plan:
        """Plans the pool again, once `items` of its book are changed, and stores all that changed.

        With `queue` the queued asks are decided again too. Raises UnknownPool.
        """
        number, book, now = self.locked(session, pool, now)
        at = Instant(math.ceil(now))
        waiting = due.asks(session, pool) if queue else ()
        if items:
            number, book = self._changed(session, pool, book, items, now)
        plan = replan(book, waiting, at)
        found = planned.Planned(
            plan=plan, book=book, queue=waiting, at=at, otherwise=planned.told_otherwise(session, plan)
        )
        if not found.says_anything:
            return plan
        newer = generation.bump(session, pool) if found.moves_anything else number
        planned.write(session, pool, found, decided_at=number, number=newer, now=now)
        on_commit(session, lambda: self._tell(pool, plan))
        if found.moves_anything:
            self.books.keep_on_commit(session, pool, newer, plan.book)
            edges.notify(session, pool)
        return plan

    def _tell(self, pool: str, plan: Plan) -> None:
        planned.tell(plan)
        self.tell_plan(pool, plan)

    def change(self, session: Session, pool: str, items: Sequence[Item], *, now: float) -> None:
        """Changes `items` of the pool's book, which leave the plan as it is. Raises UnknownPool."""
        _, book, now = self.locked(session, pool, now)
        self._changed(session, pool, book, items, now)

    def _changed(self, session: Session, pool: str, book: Book, items: Sequence[Item], now: float) -> tuple[int, Book]:
        """The generation and the book once items of it are changed; the plan is made from these."""
        number = generation.bump(session, pool)
        changes.write(session, pool, number, items, at=now)
        book = self.books.with_items(session, pool, book, items, Instant(math.ceil(now)))
        self.books.keep_on_commit(session, pool, number, book)
        edges.notify(session, pool)
        return number, book


def _terms(body: wire.Ask, book: Book) -> shown_leases.Terms:
    return shown_leases.Terms(
        name=body.name,
        asked_s=body.duration_s,
        renews=body.renew,
        min_size=body.min,
        max_size=body.max,
        closes_s=book.policy.extension_closes_s,
        all_at_once=body.all_at_once,
        extendable=body.extendable,
    )


def _company(request: Request) -> str | None:
    return request.actor.company or request.body.company


def _parsed(session: Session, request: Request, now: float) -> Ask | DureError:
    try:
        return asks.parsed(session, request.body, request.actor, now)
    except DureError as error:
        return error


def _answer(request: Request, ask: Ask, verdict: Verdict, lease: CoreLease, decision: wire.Decision) -> Answer:
    if isinstance(verdict, Refusal):
        lease = replace(lease, state=State.REFUSED)
    return Answer(
        body=request.body,
        ask=ask,
        lease=lease,
        decision=decision,
        request_id=request.request_id,
    )


def _decision(verdict: Verdict, ask: Ask, book: Book, now: float, elsewhere: Sequence[Option] = ()) -> wire.Decision:
    id_ = new_id("dec", now)
    return records.decision(verdict, ask, id=id_, policy=book.policy, now=now, elsewhere=elsewhere)


def _claimed(request: Request, decision: wire.Decision) -> wire.Decision:
    """The decision with the offer that the ask claims among its numbers."""
    if request.offer is None:
        return decision
    return decision.model_copy(update={"numbers": {**decision.numbers, "offer": request.offer}})


def _audited(answers: Sequence[Answer], requests: Sequence[Request], now: float) -> list[bulk.Row]:
    return [
        audit.row(
            actor=request.actor,
            action=wire.AuditAction.LEASE_ASK,
            subject=found.lease.id,
            at=now,
            after={**request.body.model_dump(mode="json"), "state": found.lease.state.value},
            request_id=request.request_id,
            reason=request.reason,
        )
        for found, request in zip(answers, requests, strict=True)
    ]


def locked_lease(session: Session, lease_id: str, actor: Actor) -> tuple[Lease, CoreLease]:
    """The lease under its pool's lock, read after the lock was taken."""
    seen = leases.row(session, lease_id, actor=actor)
    generation.lock(session, seen.pool)
    row = leases.row(session, lease_id, actor=actor, lock=True)
    [(_, lease)] = leases.with_core(session, [row])
    return row, lease


def _quoted(
    verdict: Verdict, ask: Ask, book: Book, now: float, expected: Instant | None, elsewhere: Sequence[Option] = ()
) -> wire.Quote:
    decision = records.decision(verdict, ask, id=None, policy=book.policy, now=now, elsewhere=elsewhere)
    if not isinstance(verdict, Promise):
        return wire.Quote(
            decision=decision,
            promised_start=None,
            starts_at=None,
            estimated_start=to_wire(expected),
            ends_at=None,
            placement=[],
        )
    return wire.Quote(
        decision=decision,
        shape=None if verdict.shape is None else shown_leases.wire_shape(verdict.shape),
        promised_start=to_wire(verdict.promised),
        starts_at=to_wire(verdict.start),
        estimated_start=to_wire(expected),
        ends_at=to_wire(verdict.end),
        stops_at=to_wire(verdict.stop),
        placement=shown_leases.shares(verdict.placement),
    )
