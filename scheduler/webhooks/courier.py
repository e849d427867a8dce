"""The courier: beside the leader's loop it gives out new events and sends what is due, each webhook on a thread of its own.

It claims in one transaction, sends outside of any, and settles in another. Killed in between, what it claimed is due
again a minute later; deposed, it settles nothing, and the next leader sends it again. So all is sent at least once.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TypeVar

import structlog

from dure.errors import AddressRefused, Unavailable
from scheduler.clock import Clock
from scheduler.store import deliveries, webhooks
from scheduler.store.db import Database, Session
from scheduler.store.deliveries import Due, Parcel
from scheduler.store.leader import Deposed, fence
from scheduler.store.tables import Webhook
from scheduler.webhooks import retries, signing
from scheduler.webhooks.metrics import DeliveryCounters
from scheduler.webhooks.sender import Answer, Sender

R = TypeVar("R")
log = structlog.get_logger()

LOOK_S = 0.5
"""How often it looks for something to do."""

AT_ONCE = 8
"""Webhooks that are sent to at a time."""

PARCEL_S = 30.0
"""What of a parcel is not sent by then is put back, well before the claim on it ends."""

FINISH_S = 2.0
"""How long an end waits for what is being sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What became of a parcel: the answers to those that were sent, in order."""

    parcel: Parcel
    answers: tuple[Answer, ...]


class Courier:
    """`epoch` is that of our lead, None while another leads. Between `with` and its end it has a thread."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        sender: Sender,
        counters: DeliveryCounters,
        epoch: Callable[[], int | None],
    ) -> None:
        self._db, self._clock, self._sender, self._counters, self._epoch = db, clock, sender, counters, epoch
        self._busy: set[str] = set()
        self._done: SimpleQueue[Carried] = SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    @property
    def busy(self) -> frozenset[str]:
        """Webhooks that something is being sent to."""
        return frozenset(self._busy)

    def __enter__(self) -> "Courier":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """What is still being sent after a moment is left to the next leader."""
        self._stop.set()
        self._thread.join(FINISH_S + LOOK_S)

    def turn(self) -> None:
        """Gives out what is new and begins to send what is due. Raises Unavailable, Deposed."""
        if self._epoch() is None:
            return
        with self._db.snapshot() as session:
            found = deliveries.work(session, now=self._clock.now(), busy=self._busy)
        while found.fresh and self._committed(lambda session: deliveries.give_out(session, now=self._clock.now())):
            pass
        room = AT_ONCE - len(self._busy)
        if room > 0 and (found.fresh or found.due):
            for parcel in self._committed(lambda session: self._claimed(session, room)):
                self._busy.add(parcel.target.webhook)
                threading.Thread(target=self._carry, args=(parcel,), name="webhook", daemon=True).start()

    def settle(self, wait_s: float) -> bool:
        """Writes down what became of one parcel, waiting so long for it; whether there was one."""
        try:
            carried = self._done.get(timeout=wait_s)
        except Empty:
            return False
        self._busy.discard(carried.parcel.target.webhook)
        if self._epoch() is not None:
            self._committed(lambda session: self._settled(session, carried))
        return True

    def _run(self) -> None:
        away = False
        while not self._stop.is_set():
            try:
                self.turn()
                if self.settle(LOOK_S):
                    while self.settle(0):
                        pass
                away = False
            except (Unavailable, Deposed) as error:
                if not away:
                    log.warning("webhooks wait", action="webhooks_wait", why=str(error))
                away = True
                self._stop.wait(LOOK_S)
            except Exception:
                log.exception("the courier failed and goes on", action="courier_failed")
                self._stop.wait(LOOK_S)
        self._finish()

    def _finish(self) -> None:
        until = time.monotonic() + FINISH_S
        try:
            while self._busy and (left := until - time.monotonic()) > 0:
                self.settle(left)
        except (Unavailable, Deposed) as error:
            log.warning("webhooks are left to the next leader", action="webhooks_left", why=str(error))

    def _claimed(self, session: Session, room: int) -> list[Parcel]:
        return deliveries.claim(session, now=self._clock.now(), busy=self._busy, most=room)

    def _carry(self, parcel: Parcel) -> None:
        """On a thread of its own: sends one after the other until one is not taken."""
        answers: list[Answer] = []
        try:
            with self._sender.to(parcel.target.url) as line:
                began = time.monotonic()
                for due in parcel.due:
                    if self._stop.is_set() or time.monotonic() - began > PARCEL_S:
                        break
                    now = self._clock.now()
                    headers = signing.headers(due.id, due.body, keys=parcel.target.keys, now=now)
                    answers.append(line.post(headers, due.body))
                    if not answers[-1].ok:
                        break
        except AddressRefused as error:
            answers.append(Answer(trouble=error.errors[0].message))
        except Exception:
            log.exception("a webhook could not be sent", action="webhook_failed", webhook=parcel.target.webhook)
            answers.append(Answer(trouble="could not be sent, because of us"))
        self._done.put(Carried(parcel=parcel, answers=tuple(answers)))

    def _settled(self, session: Session, carried: Carried) -> None:
        webhook = deliveries.locked(session, carried.parcel.target.webhook)
        sent = list(zip(carried.parcel.due, carried.answers, strict=False))
        rest = [due.seq for due in carried.parcel.due[len(sent) :]]
        deliveries.put_back(session, webhook.id, rest, now=self._clock.now())
        for due, answer in sent:
            if answer.ok:
                self._taken(session, webhook, due, answer)
            else:
                self._not_taken(session, webhook, due, answer)

    def _taken(self, session: Session, webhook: Webhook, due: Due, answer: Answer) -> None:
        now = self._clock.now()
        deliveries.delivered(session, webhook.id, due.seq, status=answer.status or 0, now=now)
        webhooks.well(session, webhook)
        self._counters.delivered(lag_s=now - due.at, took_s=answer.took_s)

    def _not_taken(self, session: Session, webhook: Webhook, due: Due, answer: Answer) -> None:
        now = self._clock.now()
        chance = random.random()
        wait_s = retries.retry_s(due.attempts + 1, chance)
        deliveries.failed(
            session,
            webhook.id,
            due.seq,
            status=answer.status,
            error=answer.error,
            again_at=None if wait_s is None else now + wait_s,
            now=now,
        )
        pause_s = retries.pause_s(webhook.failures + 1, chance)
        webhooks.ailing(session, webhook, now=now, retry_at=now + pause_s)
        self._counters.failed(given_up=wait_s is None, took_s=answer.took_s)
        log.info(
            "a webhook was not taken",
            action="webhook_not_taken",
            webhook=webhook.id,
            event_id=due.id,
            attempt=due.attempts + 1,
            why=answer.error,
        )
        self._disable_if_dead(session, webhook, answer, now)

    def _disable_if_dead(self, session: Session, webhook: Webhook, answer: Answer, now: float) -> None:
        verdict = retries.verdict(status=answer.status, failing_since=webhook.failing_since or int(now), now=now)
        if verdict is None or webhook.disabled_at is not None or webhook.removed_at is not None:
            return
        reason = f"{verdict.reason}; the last time it {answer.error}"
        webhooks.disable(session, webhook, cause=verdict.cause, reason=reason, now=now)
        log.warning("a webhook is disabled", action="webhook_disable", webhook=webhook.id, reason=reason)

    def _committed(self, work: Callable[[Session], R]) -> R:
        """Does `work` in one transaction that commits only if this scheduler still leads."""
        epoch = self._epoch()
        if epoch is None:
            raise Deposed("another scheduler leads")
        with self._db.begin() as session:
            fence(session, epoch)
            return work(session)
