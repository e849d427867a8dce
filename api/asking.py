"""Asks, the most frequent of all requests: those for one pool that arrive together are one transaction.

Who asks, the keys of repeated requests and the decisions are each looked at for all of them at once; what is wrong with one
is told to that one alone. A quote needs no transaction: it is decided on the book in memory when that is the newest.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import cast

from starlette.responses import Response

from api import answers, auth, idempotency
from api.answers import Answer
from api.calls import Call
from api.idempotency import Claim
from api.metrics import Metrics
from api.requests import ReadRequest
from dure import wire
from dure.errors import DureError, IdempotencyKeyReused, UnknownPool
from dure.wire import Role
from scheduler import traces
from scheduler.actor import Actor
from scheduler.clock import Clock
from scheduler.service import Request, Service
from scheduler.store import idempotency as kept
from scheduler.store import tokens
from scheduler.store.db import Database, Session
from scheduler.store.idempotency import Key, Stored
from scheduler.together import Together


@dataclass(slots=True, kw_only=True)
class Sent:
    """One ask as it was sent, and the token it was sent with; `link` is by which the transaction's span refers to its own."""

    body: wire.Ask
    request: ReadRequest
    secret: str
    roles: Collection[Role]
    key: str | None
    reason: str | None
    link: object | None = None


@dataclass(slots=True)
class _Case:
    """One of a batch on its way: who asks, the key it claimed, and its answer once there is one."""

    sent: Sent
    actor: Actor | None = None
    claim: Claim | None = None
    answer: Answer | DureError | None = None

    @property
    def stored_under(self) -> Key:
        assert self.claim is not None
        return Key(principal=self.claim.principal, key=self.claim.key, fingerprint=self.claim.fingerprint)


class Asking:
    """One a process, for all its threads."""

    def __init__(self, db: Database, clock: Clock, service: Service, metrics: Metrics) -> None:
        self._db, self._clock, self._service, self._metrics = db, clock, service, metrics
        self._together: Together[Sent, Answer] = Together(self._decide)

    def ask(self, call: Call, body: wire.Ask) -> Response:
        """The answer once it is committed; the first one for a key that asked the same before. Raises DureError."""
        request = cast(ReadRequest, call.request)
        sent = Sent(
            body=body, request=request, secret=auth.secret(request), roles=call.roles, key=call.key, reason=call.reason
        )
        if call.key is not None:
            idempotency.check(call.key)
        with traces.span("ask", pool=body.pool) as span:
            sent.link = span.link()
            answer = self._together.do(body.pool, sent)
            if answer.decided is not None:
                self._metrics.decided(answer.decided, took_s=answer.took_s, exemplar=request.state.exemplar)
                request.state.lease = answer.decided.id
                span.said(**_told(answer.decided))
        return answer.response()

    def quote(self, call: Call, body: wire.Ask) -> Response:
        """What would be decided now; nothing is stored. Raises DureError."""
        now = self._clock.now()
        actor, generation = tokens.glance(self._db, auth.secret(call.request), body.pool, now)
        call.request.state.actor = str(actor)
        auth.allowed(actor, call.request, call.roles)
        book = self._service.books.newest(body.pool, generation)
        quote = None
        if book is not None and actor.company is not None:
            quote = self._service.quote_on(book, body, actor=actor, now=now)
        if quote is None:
            return call.read(lambda at: at.service.quote(at.session, body, actor=at.actor, now=at.now))
        return answers.ok(quote).response()

    def _decide(self, pool: str, batch: Sequence[Sent]) -> list[Answer | DureError]:
        cases, began = [_Case(sent) for sent in batch], perf_counter()
        links = [sent.link for sent in batch]
        with traces.span("decide", links=links, pool=pool, asks=len(batch)), self._db.begin() as session:
            now = self._clock.now()
            self._admit(session, cases, now)
            repeated = self._claim(session, cases, now)
            self._ask(session, pool, [case for case in cases if case.answer is None and case not in repeated], now)
            self._keep(session, cases)
        took_s = perf_counter() - began
        return [_timed(_answer(case, cases), took_s) for case in cases]

    def _admit(self, session: Session, cases: Sequence[_Case], now: float) -> None:
        holders = tokens.authenticate_all(session, {case.sent.secret for case in cases}, now)
        for case in cases:
            try:
                holder = holders[case.sent.secret]
                if isinstance(holder, DureError):
                    raise holder
                case.actor = auth.allowed(holder, case.sent.request, case.sent.roles)
                case.sent.request.state.actor = str(holder)
            except DureError as error:
                case.answer = error

    def _claim(self, session: Session, cases: Sequence[_Case], now: float) -> list[_Case]:
        """Claims the keys; those whose key another of the batch claimed too, and who get that one's answer."""
        first: dict[tuple[str, str], _Case] = {}
        repeated: list[_Case] = []
        for case in cases:
            if case.answer is not None or case.sent.key is None or case.actor is None:
                continue
            case.claim = Claim(
                principal=case.actor.token,
                secret=case.sent.secret,
                key=case.sent.key,
                fingerprint=case.sent.request.fingerprint(),
                now=now,
            )
            if first.setdefault((case.claim.principal, case.claim.key), case) is not case:
                repeated.append(case)
        earlier = kept.claim_all(session, [case.stored_under for case in first.values()], now=now)
        for case in first.values():
            found = earlier.get(case.stored_under)
            if found is not None:
                case.answer = found if isinstance(found, DureError) else _again(case, found)
        return repeated

    def _ask(self, session: Session, pool: str, cases: Sequence[_Case], now: float) -> None:
        requests = [
            Request(
                body=case.sent.body,
                actor=case.actor,
                request_id=case.sent.request.state.request_id,
                reason=case.sent.reason,
            )
            for case in cases
            if case.actor is not None
        ]
        try:
            leases = self._service.ask_all(session, pool, requests, now=now)
        except UnknownPool as error:
            leases = [error] * len(requests)
        for case, lease in zip(cases, leases, strict=True):
            if isinstance(lease, DureError):
                case.answer = lease
            else:
                case.answer = answers.decided(lease, case.sent.request.state.request_id)

    def _keep(self, session: Session, cases: Sequence[_Case]) -> None:
        mine = [case for case in cases if case.claim is not None and case.answer is not None]
        done: dict[Key, Stored] = {}
        undone: list[Key] = []
        for case in mine:
            assert case.claim is not None
            if isinstance(case.answer, Answer) and not case.answer.replayed:
                body = idempotency.sealed(case.answer.body, case.claim)
                done[case.stored_under] = Stored(status=case.answer.status, body=body)
            elif isinstance(case.answer, DureError) and not isinstance(case.answer, IdempotencyKeyReused):
                undone.append(case.stored_under)
        kept.keep_all(session, done)
        kept.drop_all(session, undone)


def _told(lease: wire.Lease) -> dict[str, str | None]:
    """Of a decision, what a trace says."""
    decision = lease.decision
    return {
        "lease": lease.id,
        "company": lease.company,
        "outcome": decision.outcome.value,
        "code": decision.code,
        "decision": decision.id,
    }


def _again(case: _Case, stored: Stored) -> Answer:
    assert case.claim is not None
    return Answer(status=stored.status, body=idempotency.sealed(stored.body, case.claim), replayed=True)


def _timed(answer: Answer | DureError, took_s: float) -> Answer | DureError:
    return answer if isinstance(answer, DureError) or answer.decided is None else replace(answer, took_s=took_s)


def _answer(case: _Case, cases: Sequence[_Case]) -> Answer | DureError:
    """The case's own answer, or that of the one in the batch whose key it repeats."""
    if case.answer is not None:
        return case.answer
    mine = case.stored_under
    first = next(
        other
        for other in cases
        if other.answer is not None
        and other.claim is not None
        and (other.claim.principal, other.claim.key) == (mine.principal, mine.key)
    )
    if first.stored_under != mine:
        return kept.reused()
    found = first.answer
    assert found is not None
    return found if isinstance(found, DureError) else replace(found, replayed=True, decided=None)
