"""What would be different: read in one look, worked out without the database, told in wire types. Changes nothing."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock

from dure import wire
from dure.errors import InvalidRequest, Unavailable, UnknownNode
from scheduler.core import hindsight, sentences, whatif, words
from scheduler.core.book import Book
from scheduler.core.model import Ask, CompanyId, Instant, LeaseId, Node, NodeId, Policy
from scheduler.core.past import Past
from scheduler.core.whatif import Change, Changes, Difference
from scheduler.store import books, companies, due, history, past, pools
from scheduler.store.books import Books
from scheduler.store.db import Session
from scheduler.store.times import from_wire, to_wire

LONGEST_S = 31 * 86_400
"""How much of the past is looked at at once."""

WITHIN_S = 6.0
"""How long a stretch is lived again; the answer says how far that was."""

REFUSED_WITHIN_S = 7 * 86_400
MOST_REFUSED = 200
MOST_SHOWN = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """The pool as it is."""

    book: Book
    queue: Sequence[tuple[LeaseId, Ask, Instant]]
    refused: Sequence[tuple[LeaseId, Ask]]
    now: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that was read for a question."""

    pool: str
    changes: Changes
    seen: Now | Past
    generation: int


class WhatIfs:
    """One process's; one question is worked out at a time, so that asks are not kept waiting by many."""

    def __init__(self, books: Books, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._books, self._monotonic, self._busy = books, monotonic, Lock()

    def read(self, session: Session, body: wire.WhatIf, *, now: float) -> Case:
        """What the question is about. Raises UnknownPool, UnknownCompany, UnknownNode, InvalidRequest."""
        at = Instant(math.ceil(now))
        generation, book = self._books.seen(session, body.pool, at)
        changes = _changes(session, body, book)
        if body.since is None:
            return Case(pool=body.pool, changes=changes, seen=_now(session, body.pool, book, at), generation=generation)
        seen = _past(session, body, at)
        first = history.before(session, body.pool, seen.since)
        return Case(pool=body.pool, changes=changes, seen=seen, generation=first)

    def answer(self, case: Case) -> wire.WhatIfAnswer:
        """Worked out from what was read, for seconds at most. Raises Unavailable while another is."""
        if not self._busy.acquire(blocking=False):
            raise Unavailable("another what-if is being worked out here; ask again in a few seconds", retry_after_s=5)
        try:
            return _of_now(case, case.seen) if isinstance(case.seen, Now) else self._of_past(case, case.seen)
        finally:
            self._busy.release()

    def _of_past(self, case: Case, seen: Past) -> wire.WhatIfAnswer:
        end = self._monotonic() + WITHIN_S
        found = hindsight.compare(seen, case.changes, lambda: self._monotonic() < end)
        return wire.WhatIfAnswer(
            pool=case.pool,
            since=to_wire(seen.since),
            until=to_wire(found.reached),
            complete=found.reached == seen.until,
            generation=case.generation,
            summary=sentences.hindsight(found),
            totals=whatif.totals(found.leases),
            struck=list(found.struck[:MOST_SHOWN]),
            decisions=found.decisions,
            unlike=list(found.unlike[:MOST_SHOWN]),
            differences=_shown(found.leases),
            more=_more(found.leases),
        )


def _of_now(case: Case, seen: Now) -> wire.WhatIfAnswer:
    found = whatif.live(seen.book, seen.queue, seen.refused, case.changes, seen.now)
    leases = (*found.waiting, *found.refused)
    return wire.WhatIfAnswer(
        pool=case.pool,
        since=None,
        until=to_wire(seen.now),
        complete=True,
        generation=case.generation,
        summary=sentences.live(found),
        totals=whatif.totals(leases),
        struck=list(found.struck[:MOST_SHOWN]),
        decisions=0,
        unlike=[],
        differences=_shown(leases),
        more=_more(leases),
    )


def _now(session: Session, pool: str, book: Book, now: Instant) -> Now:
    since = Instant(now - REFUSED_WITHIN_S)
    refused = past.refused(session, pool, since=since, now=now, limit=MOST_REFUSED)
    return Now(book=book, queue=due.asks(session, pool), refused=refused, now=now)


def _past(session: Session, body: wire.WhatIf, now: Instant) -> Past:
    assert body.since is not None
    since = from_wire(body.since)
    until = min(now, now if body.until is None else from_wire(body.until))
    if since >= now:
        raise InvalidRequest.about(
            "since", f"it is {words.time(now)} now, and since is not before that; leave it out to look at now"
        )
    if until - since > LONGEST_S:
        raise InvalidRequest.about(
            "until", f"at most 31 days are looked at at once, so until {words.time(since + LONGEST_S)} here"
        )
    try:
        return past.read(session, body.pool, books.policy(pools.row(session, body.pool)), since, until)
    except past.TooLong as error:
        message = f"too much happened to look at it all at once; until {words.time(error.until)} there is room"
        raise InvalidRequest.about("until", message) from None


def _changes(session: Session, body: wire.WhatIf, book: Book) -> Changes:
    for quota in body.quotas:
        companies.row(session, quota.company)
    for node in body.remove_nodes:
        if NodeId(node) not in book.nodes:
            raise UnknownNode(f"pool {body.pool} has no node {node}; `dure calendar {body.pool}` shows those it has")
    added = [nodes.gpus for nodes in body.add_nodes for _ in range(nodes.count)]
    return Changes(
        quotas={CompanyId(quota.company): quota.gpus for quota in body.quotas},
        added=tuple(Node(id=NodeId(f"+{k:04}"), capacity=gpus, nominal=gpus) for k, gpus in enumerate(added)),
        removed=tuple(NodeId(node) for node in body.remove_nodes),
        policy=_policy(book.policy, body.policy),
    )


def _policy(policy: Policy, changes: wire.PolicyIf | None) -> Policy | None:
    found = policy if changes is None else replace(policy, **changes.said())
    return None if found == policy else found


def _shown(found: Sequence[Difference]) -> list[wire.Difference]:
    """Those that differ: promises won and lost, then the others, the most first."""
    differ = sorted(
        (one for one in found if one.change is not Change.SAME),
        key=lambda one: (one.by_s is not None, -abs(one.by_s or 0), one.lease),
    )
    return [_wire(one) for one in differ[:MOST_SHOWN]]


def _more(found: Sequence[Difference]) -> int:
    return max(0, sum(one.change is not Change.SAME for one in found) - MOST_SHOWN)


def _wire(one: Difference) -> wire.Difference:
    return wire.Difference(
        lease=one.lease,
        company=one.company,
        gpus=one.gpus,
        change=one.change.value,
        by_s=one.by_s,
        before=_outlook(one.before),
        after=_outlook(one.after),
    )


def _outlook(found: whatif.Outlook) -> wire.Outlook:
    return wire.Outlook(
        state=wire.LeaseState(found.state.value),
        promised_start=to_wire(found.promised),
        estimated_start=to_wire(found.estimate),
    )
