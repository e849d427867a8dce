"""A plan of a pool is written down: who was moved, who got a promise out of the queue, and what the others wait for now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import structlog

from dure import wire
from scheduler.core import record, sentences
from scheduler.core.book import Book
from scheduler.core.lease import queued
from scheduler.core.lines import Queue
from scheduler.core.model import Ask, Instant, LeaseId, Verdict
from scheduler.core.replan import Plan
from scheduler.ids import new_id
from scheduler.store import due, losses, plans, records
from scheduler.store.db import Session
from scheduler.store.plans import Answer
from scheduler.store.records import Said

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan made at `at` of a book and a queue, and whose reason to wait is another than its newest decision says."""

    plan: Plan
    book: Book
    queue: Queue
    at: Instant
    otherwise: tuple[LeaseId, ...]

    @property
    def moves_anything(self) -> bool:
        """Whether the book is another one afterwards."""
        return bool(self.plan.moves or self.plan.pulled)

    @property
    def says_anything(self) -> bool:
        return self.moves_anything or bool(self.otherwise)


def tell(plan: Plan) -> None:
    """In the log, once it is committed."""
    for lease in plan.pulled:
        company = plan.book.leases[lease].company
        log.info("queued ask promised", action="queue_promise", lease=lease, company=company)
    for move in plan.moves:
        write = log.warning if move.breaks_promise else log.info
        write(
            "a lease was moved",
            action="lease_move",
            lease=move.after.id,
            company=move.after.company,
            state=move.after.state,
            cause=move.cause,
            slip_s=move.slipped_s,
        )


def told_otherwise(session: Session, plan: Plan) -> tuple[LeaseId, ...]:
    """Who stays in the queue for another reason than was said last, in the plan's order."""
    said = due.reasons(session, plan.left) if plan.left else {}
    return tuple(lease_id for lease_id, one in plan.left.items() if said.get(lease_id) != one.code.value)


def write(session: Session, pool: str, found: Planned, *, decided_at: int, number: int, now: float) -> None:
    """Stores the plan as a decision, and all that follows from it; `number` is the generation from which the book is so."""
    plan, book = found.plan, found.book
    numbers = {name: count for name, count in sentences.plan_numbers(plan).items() if count}
    said = Said(code="planned", detail=sentences.plan(plan), numbers=numbers)
    kept = record.of_replan(book, found.queue, found.at, plan)
    head = plans.write_decision(session, book, kept, said, pool=pool, decided_at=decided_at, at=now)
    told = losses.details(session, pool, book, plan.moves, found.at)
    plans.write_moves(session, pool, plan.moves, decision=head, number=number, at=now, losses=told)
    promised = list(_promised(found, now))
    plans.write_pulled(
        session, promised, quotas=plan.book.quotas, plan=head, decided_at=decided_at, number=number, at=now
    )
    plans.write_waiting(session, list(_waiting(found, now)), plan=head, decided_at=decided_at)


def _promised(found: Planned, now: float) -> Iterable[Answer]:
    asks = _asks(found.queue)
    for lease_id, promise in found.plan.pulled.items():
        ask, _ = asks[lease_id]
        decision = _decision(promise, ask, found.book, now)
        yield Answer(ask=ask, lease=found.plan.book.leases[lease_id], decision=decision)


def _waiting(found: Planned, now: float) -> Iterable[Answer]:
    """What stays is queued whatever is found of it: a quota may be raised again, a node come back."""
    asks = _asks(found.queue)
    for lease_id in found.otherwise:
        ask, asked_at = asks[lease_id]
        decision = _decision(found.plan.left[lease_id], ask, found.book, now)
        decision = decision.model_copy(update={"outcome": wire.Outcome.QUEUED})
        yield Answer(ask=ask, lease=queued(lease_id, ask, asked_at), decision=decision)


def _asks(queue: Queue) -> Mapping[LeaseId, tuple[Ask, Instant]]:
    return {lease_id: (ask, asked_at) for lease_id, ask, asked_at in queue}


def _decision(verdict: Verdict, ask: Ask, book: Book, now: float) -> wire.Decision:
    return records.decision(verdict, ask, id=new_id("dec", now), policy=book.policy, now=now)
