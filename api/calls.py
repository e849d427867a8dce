"""One request's way to the scheduler: `read` and `write` check who asks and do the work in one transaction.

A route gets its call from a dependency that names the roles, so nothing can be done for who was not admitted.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TypeVar, cast

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from api import answers, auth, idempotency
from api.answers import Answer
from api.idempotency import Claim
from api.parts import Parts
from api.requests import ReadRequest
from dure.errors import DureError, InvalidRequest
from dure.wire import Role
from scheduler.actor import Actor
from scheduler.service import Service
from scheduler.store import audit, credentials
from scheduler.store.db import Session

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """Who asks, when (Unix seconds), and the transaction in which that was checked."""

    session: Session
    actor: Actor
    now: float
    service: Service
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """`key` is the Idempotency-Key and `reason` why it is done, if they were sent."""

    request: Request
    parts: Parts
    roles: Collection[Role]
    key: str | None = None
    reason: str | None = None

    def why(self, example: str, *, kept_in: str = "the audit log") -> str:
        """The reason, for what is never done without one. Raises InvalidRequest."""
        if self.reason is None:
            raise InvalidRequest.about("reason", f"say why, for example reason={example}; it stays in {kept_in}")
        return self.reason

    def check(self) -> None:
        """Raises what `read` would raise because of who asks, and does nothing else."""
        vouched = self._vouched()
        with self.parts.db.snapshot() as session:
            self._admitted(session, vouched)

    def look(self, work: Callable[[Admitted], R]) -> R:
        """What `work` saw of one instant, for who has more to do than to answer it."""
        with self.parts.db.snapshot() as session:
            return work(self._admitted(session))

    def read(self, work: Callable[[Admitted], BaseModel]) -> Response:
        """What `work` saw of one instant, as the answer."""
        return self.look(lambda at: answers.ok(work(at))).response()

    def study(self, look: Callable[[Admitted], R], work: Callable[[R], BaseModel]) -> Response:
        """What `work` makes of what `look` saw; it may take seconds, and the transaction is over by then."""
        return answers.ok(work(self.look(look))).response()

    def write(self, work: Callable[[Admitted], Answer]) -> Response:
        """The answer of `work`, committed with it; for a key that did the same before, the answer that was given then."""
        vouched, began = self._vouched(), perf_counter()
        with self._noticed(), self.parts.db.begin() as session:
            session.info |= {audit.REQUEST_ID: self.request.state.request_id, audit.REASON: self.reason}
            at = self._admitted(session, vouched)
            credentials.arrived(session, at.actor, now=at.now)
            answer = (
                work(at) if self.key is None else idempotency.once(session, self._claim(at, self.key), lambda: work(at))
            )
        if answer.decided is not None:
            exemplar = self.request.state.exemplar
            self.parts.metrics.decided(answer.decided, took_s=perf_counter() - began, exemplar=exemplar)
        return answer.response()

    def rehearse(self, work: Callable[[Admitted], BaseModel]) -> Response:
        """What `work` would answer; all that it writes is taken back."""
        with self.parts.db.begin() as session:
            answer = answers.ok(work(self._admitted(session)))
            session.rollback()
        return answer.response()

    def _vouched(self) -> Actor | None:
        """Who asks, where a cluster says so: for nodes alone, and before there is a transaction."""
        if Role.NODE not in self.roles:
            return None
        found = self.parts.vouching.reviewed(auth.secret(self.request))
        if isinstance(found, DureError):
            raise found
        return found

    @contextmanager
    def _noticed(self) -> Iterator[None]:
        """Who comes with a credential that was used up leaves a line in the audit log, though nothing else is done."""
        try:
            yield
        except credentials.REUSES as error:
            with self.parts.db.begin() as session:
                session.info |= {audit.REQUEST_ID: self.request.state.request_id}
                credentials.reused(session, error, now=self.parts.clock.now())
            raise

    def _admitted(self, session: Session, vouched: Actor | None = None) -> Admitted:
        now = self.parts.clock.now()
        if vouched is None:
            actor = auth.admit(session, self.request, self.roles, now=now)
        else:
            actor = auth.allowed(vouched, self.request, self.roles)
        self.request.state.actor = str(actor)
        return Admitted(
            session=session,
            actor=actor,
            now=now,
            service=self.parts.service,
            request_id=self.request.state.request_id,
        )

    def _claim(self, at: Admitted, key: str) -> Claim:
        request = cast(ReadRequest, self.request)
        return Claim(
            principal=at.actor.token,
            secret=auth.secret(request),
            key=key,
            fingerprint=request.fingerprint(),
            now=at.now,
        )
