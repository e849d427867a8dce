"""A small world on a real database: companies, a pool, nodes that report, and time that the test sets."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from sqlmodel import col, select

from dure import wire
from dure.errors import DureError
from scheduler import amend, endings, renewing
from scheduler.actor import Actor
from scheduler.core.model import Instant
from scheduler.core.promises import Happened
from scheduler.service import Service
from scheduler.store import joining, nodes, pools, promise_counts, quotas, receiving, reports, shown_leases
from scheduler.store.books import Books, fresh
from scheduler.store.db import Database
from scheduler.store.tables import Account
from scheduler.turns import attendance, budgets, healing, idling, queue, renewals, starts, stops
from tests import databases
from tests.servers import Server

T0 = 1_800_000_000
DAY = datetime(2027, 1, 15, tzinfo=UTC)
"""That of T0."""
ADMIN = Actor(role=wire.Role.ADMIN, token="tok_admin")
GAP_S = 10
GRACE_S = 5
PRODUCT = "NVIDIA H100 80GB HBM3"


def company(name: str) -> Actor:
    return Actor(role=wire.Role.COMPANY, token=f"tok_{name}", company=name)


def granted(found: wire.Amended | DureError) -> wire.Amended:
    """What became of a lease. Raises what its company would be told, which is committed by then."""
    if isinstance(found, DureError):
        raise found
    return found


@dataclass
class World:
    """What the processes would do, in the order the test says."""

    db: Database
    service: Service = field(default_factory=lambda: Service(Books()))
    seq: int = 0
    pool: str = "h100"
    listened_until: float = 0

    def found(
        self,
        *,
        nodes_: Sequence[str] = ("n1", "n2"),
        gpus: int = 8,
        quota: int = 16,
        slack_ppm: int = 0,
        at: int = T0,
        **policy: int | str | None,
    ) -> "World":
        with self.db.begin() as session:
            pools.add(
                session,
                wire.PoolCreate.model_validate(
                    {
                        "name": "h100",
                        "product": PRODUCT,
                        "gap_s": GAP_S,
                        "grace_s": GRACE_S,
                        "slack_ppm": slack_ppm,
                        **policy,
                    }
                ),
                actor=ADMIN,
                now=at,
            )
            for name in ("acme", "globex"):
                joining.add(session, wire.CompanyCreate(name=name), actor=ADMIN, now=at)
                quotas.put(session, name, "h100", wire.QuotaSet(gpus=quota), actor=ADMIN, now=at)
            for node in nodes_:
                nodes.enroll(session, wire.NodeEnroll(name=node), actor=ADMIN, now=at)
        for node in nodes_:
            self.report(node, now=at, gpus=gpus)
        return self

    def listens(self, since: float, until: float) -> None:
        """An API replica says every two seconds that it takes reports, and `until` is the last time; it goes on where it said so
        after `since` before.
        """
        since = max(since, self.listened_until)
        with self.db.begin() as session:
            for at in (*range(int(since), int(until), 2), until):
                receiving.beat(session, now=at)
        self.listened_until = until

    def report(
        self,
        node: str,
        *,
        now: float,
        gpus: int = 8,
        knew_ended: Sequence[str] = (),
        usage: Sequence[wire.AllocationUsage] = (),
        processes: int | None = 0,
        busy: Sequence[str] = (),
        health: str = "ok",
        sick: Sequence[int] = (),
        boot: str = "boot1",
        host_boot: str | None = None,
        product: str = PRODUCT,
        products: Mapping[str, int] | None = None,
        **more: object,
    ) -> wire.ReportAnswer:
        """`products` are the GPUs of a node that has several; else it has `gpus` of `product`. Those in `sick` are unhealthy;
        `more` is what else the report says.
        """
        self.seq += 1
        all_of = [one for one, count in (products or {product: gpus}).items() for _ in range(count)]
        readings = [
            wire.GpuReading.model_validate(
                {
                    "uuid": f"GPU-{node}-{index}",
                    "index": index,
                    "product": one,
                    "health": "unhealthy" if index in sick else health,
                    "memory_used_bytes": 0,
                    "processes": 1 if f"GPU-{node}-{index}" in busy else processes,
                }
            )
            for index, one in enumerate(all_of)
        ]
        said = {
            "boot": boot,
            "host_boot": host_boot,
            "seq": self.seq,
            "sent_at": now,
            "interval_s": 2,
            "agent_version": "1",
            "gpus": readings,
            "knew_ended": list(knew_ended),
            "usage": list(usage),
        }
        report = wire.Report.model_validate(said | more)
        with self.db.begin() as session:
            return reports.take(session, node, report, now=now)

    def ask(
        self, gpus: int = 8, *, now: float = T0, who: str = "acme", duration_s: int = 100, **more: object
    ) -> wire.Lease:
        body = wire.Ask.model_validate({"pool": "h100", "shape": {"gpus": gpus}, "duration_s": duration_s, **more})
        with self.db.begin() as session:
            return self.service.ask(session, body, actor=company(who), now=now)

    def release(self, lease: wire.Lease, *, now: float) -> wire.Lease:
        with self.db.begin() as session:
            return endings.release(self.service, session, lease.id, actor=company(lease.company), now=now)

    def cancel(self, lease: wire.Lease, *, now: float) -> wire.Lease:
        with self.db.begin() as session:
            return endings.cancel(session, lease.id, actor=company(lease.company), now=now)

    def extend(self, lease: wire.Lease, *, now: float, **body: object) -> wire.Amended:
        wanted = wire.Extend.model_validate(body)
        with self.db.begin() as session:
            found = amend.extended(self.service, session, lease.id, wanted, actor=company(lease.company), now=now)
        return granted(found)

    def shrink(self, lease: wire.Lease, *, now: float, **body: object) -> wire.Amended:
        wanted = wire.Shrink.model_validate(body)
        with self.db.begin() as session:
            found = amend.shrunk(self.service, session, lease.id, wanted, actor=company(lease.company), now=now)
        return granted(found)

    def resize(self, lease: wire.Lease, *, now: float, **body: object) -> wire.Amended:
        wanted = wire.Resize.model_validate(body)
        with self.db.begin() as session:
            found = amend.resized(self.service, session, lease.id, wanted, actor=company(lease.company), now=now)
        return granted(found)

    def set_renewal(self, lease: wire.Lease, *, now: float, renew: bool) -> wire.Lease:
        body = wire.Renewal(renew=renew)
        with self.db.begin() as session:
            return renewing.renewing(self.service, session, lease.id, body, actor=company(lease.company), now=now)

    def turn(self, now: float, *, led_since: float = T0) -> None:
        """One turn of the loop, as `Loop.tick` takes it."""
        lead = starts.Leading(since=led_since, away="scheduler_away")
        with self.db.begin() as session:
            stops.begin_ending(session, self.pool, now=now)
            stops.stop_due(session, self.pool, now=now)
        with self.db.begin() as session:
            stops.quarantine_unproved(session, now=now)
            stops.lift_proved(session, now=now)
        with self.db.begin() as session:
            for pool in healing.due(session, self.service, now=now):
                healing.look(session, self.service, pool, now=now)
        with self.db.begin() as session:
            for pool in attendance.due(session, now=now):
                attendance.look(session, pool, now)
            for pool in idling.due(session, now=now):
                idling.look(session, pool, now)
        with self.db.begin() as session:
            budgets.roll(session, self.pool, now=now)
        with self.db.begin() as session:
            queue.expire(session, self.pool, now=now)
        with self.db.begin() as session:
            renewals.renew_due(session, self.service, self.pool, now=now)
        with self.db.begin() as session:
            self.service.replan(session, self.pool, now=now)
        with self.db.begin() as session:
            starts.start_due(session, self.service.books, self.pool, now=now, lead=lead)

    def lease(self, lease: wire.Lease) -> wire.Lease:
        with self.db.snapshot() as session:
            return shown_leases.get(session, lease.id, actor=ADMIN)

    def events(self, lease: wire.Lease) -> list[tuple[str, str | None]]:
        with self.db.snapshot() as session:
            page = shown_leases.events(session, lease.id, actor=ADMIN, after=None, limit=100)
        return [(event.event, event.cause) for event in page.items]

    def promises(self, happened: Happened) -> Mapping[tuple[str, ...], int]:
        """How often that became of the promises of pools."""
        with self.db.snapshot() as session:
            return promise_counts.read(session, pools.names(session))[happened]

    def detail(self, lease: wire.Lease, event: str) -> Mapping[str, int | str | None]:
        """Of the newest event of that kind."""
        with self.db.snapshot() as session:
            page = shown_leases.events(session, lease.id, actor=ADMIN, after=None, limit=100)
        return [found.detail for found in page.items if found.event == event][-1]

    def set_quota(self, company: str, gpus: int, *, now: float, **more: object) -> wire.Quota:
        body = wire.QuotaSet.model_validate({"gpus": gpus, **more})
        with self.db.begin() as session:
            return quotas.put(session, company, self.pool, body, actor=ADMIN, now=now)

    def quota(self, company: str = "acme", *, now: float = T0) -> wire.Quota:
        with self.db.snapshot() as session:
            return quotas.get(session, company, self.pool, now=now)

    def clean(self, now: float) -> None:
        """Every node shows the GPUs empty that it was told were given back."""
        for node in ("n1", "n2"):
            told = [found.allocation for found in self.report(node, now=now).allocations if found.ended]
            self.report(node, now=now, knew_ended=told)

    def balance(self, company: str = "acme") -> tuple[int, int]:
        """What is committed and spent of the company's account."""
        with self.db.snapshot() as session:
            row = session.exec(select(Account).where(col(Account.company) == company)).one()
            return row.committed, row.spent

    def overbooked(self, now: float) -> list[str]:
        """The nodes of which more is taken than they have, at some instant from now on."""
        with self.db.snapshot() as session:
            book = fresh(session, "h100", Instant(int(now)))
        return [node for node, row in book.rows.items() if book.free.least(row, int(now), 1 << 40) < 0]

    def gpus(self) -> dict[str, int]:
        with self.db.snapshot() as session:
            return {state.value: count for state, count in pools.get(session, "h100", now=T0).gpus.items() if count}


def founded(url: str) -> None:
    """Fills the database at an address as `World.found` does."""
    with databases.opened(url) as db:
        World(db).found()


@contextmanager
def world_on(server: Server) -> Iterator[World]:
    """A world that was founded, on a database of its own."""
    with server.database(founded) as url, databases.opened(url) as db:
        yield World(db, seq=2)


@pytest.fixture
def world(embedded: Server) -> Iterator[World]:
    """Pool `h100` of two nodes with 8 GPUs each; companies `acme` and `globex` with a quota of 16."""
    with world_on(embedded) as found:
        yield found


@pytest.fixture(params=["embedded", "postgres15"])
def any_world(request: pytest.FixtureRequest) -> Iterator[World]:
    """The same; the test runs once on each PostgreSQL."""
    with world_on(request.getfixturevalue(request.param)) as found:
        yield found
