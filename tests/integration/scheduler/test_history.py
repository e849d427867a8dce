"""The log of a pool is its book: kept, loaded and rebuilt, the three are the same at every generation of a random day."""

import math
import random
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from dure import wire
from dure.errors import (
    ExtensionRefused,
    InvalidRequest,
    NotDrained,
    PolicyRefused,
    ResizeRefused,
    TooLateToExtend,
    WrongState,
)
from scheduler import labels, maintenance, policies
from scheduler.core.book import Book
from scheduler.core.fragmentation import Mix
from scheduler.core.model import Instant
from scheduler.service import Service
from scheduler.store import books, history, pools, quotas, shares
from scheduler.store import policies as versions
from scheduler.store.books import Books
from scheduler.store.db import Database
from scheduler.store.times import to_wire
from scheduler.turns import counts, mix
from tests.integration.scheduler.conftest import ADMIN, T0, World


class Day:
    """Chance events, by two replicas in turn, and after each of them three books that must be one."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.chance, self.now = world, random.Random(seed), float(T0)
        self.services = [world.service, Service(Books())]
        self.leases: list[wire.Lease] = []
        self.turns, self.compared = 0, set[int]()
        self.mixes: set[Mix] = set()

    def go_on(self) -> None:
        self.world.service = self.chance.choice(self.services)
        self.now += self.chance.choice((0, 0.4, 1, 7, 40))
        turn = self.chance.choices(
            (
                self.ask,
                self.release,
                self.cancel,
                self.extend,
                self.resize,
                self.tick,
                self.node,
                self.quota,
                self.drain,
                self.label,
                self.policy,
                self.gap,
                self.share,
            ),
            (8, 2, 2, 3, 4, 6, 2, 1, 2, 1, 1, 3, 1),
        )[0]
        turn()
        self.turns += 1
        if self.turns % 5 == 0:
            self.learn()
            self.count()
        self.compare()

    def ask(self) -> None:
        more: dict[str, object] = {}
        if self.chance.random() < 0.3:
            more["start"] = wire_time(self.now + self.chance.choice((60, 300)))
        if self.chance.random() < 0.3:
            more["start_by"] = wire_time(self.now + 400)
        more |= {"queue": self.chance.random() < 0.8, "notice_s": self.chance.choice((0, 30))}
        if self.chance.random() < 0.6:
            more |= {"purpose": "inference", "min": 1}
        if "start" not in more and self.chance.random() < 0.3:
            more |= self.chance.choice(({"tier": "spot"}, {"or_spot": True}))
        who = self.chance.choice(("acme", "globex"))
        duration_s = self.chance.choice((20, 100, 300))
        self.leases.append(
            self.world.ask(self.chance.choice((1, 2, 4, 8, 12)), now=self.now, who=who, duration_s=duration_s, **more)
        )

    def release(self) -> None:
        if active := self.in_state("active"):
            self.world.release(self.chance.choice(active), now=self.now)

    def cancel(self) -> None:
        if waiting := self.in_state("queued", "scheduled"):
            self.world.cancel(self.chance.choice(waiting), now=self.now)

    def extend(self) -> None:
        if found := self.in_state("scheduled", "active"):
            with suppress(TooLateToExtend, ExtensionRefused, WrongState):
                self.world.extend(
                    self.chance.choice(found), now=self.now, by_s=self.chance.choice((30, 200)), partly=True
                )

    def resize(self) -> None:
        if found := self.in_state("scheduled", "active"):
            with suppress(ResizeRefused, InvalidRequest, WrongState):
                self.world.resize(self.chance.choice(found), now=self.now, gpus=self.chance.choice((1, 2, 3, 6, 10)))

    def tick(self) -> None:
        self.world.turn(self.now)

    def node(self) -> None:
        node = self.chance.choice(("n1", "n2"))
        health = self.chance.choice(("ok", "ok", "unhealthy"))
        self.world.report(node, now=self.now, gpus=self.chance.choice((8, 8, 7)), health=health)

    def quota(self) -> None:
        body = wire.QuotaSet(gpus=self.chance.choice((8, 12, 16)))
        with self.world.db.begin() as session:
            quotas.put(session, "acme", "h100", body, actor=ADMIN, now=self.now)

    def drain(self) -> None:
        body = wire.DrainNode(start=to_wire(int(self.now) + self.chance.choice((1, 60))), duration_s=50)
        service, node = self.world.service, self.chance.choice(("n1", "n2"))
        with self.world.db.begin() as session, suppress(NotDrained):
            if self.chance.random() < 0.5:
                maintenance.resume(service, session, node, actor=ADMIN, now=self.now)
            else:
                maintenance.drain(service, session, node, body, actor=ADMIN, now=self.now)

    def label(self) -> None:
        body = wire.NodeLabels(rack=self.chance.choice(("a", "b")))
        with self.world.db.begin() as session:
            labels.label(session, self.chance.choice(("n1", "n2")), body, actor=ADMIN, now=self.now)

    def policy(self) -> None:
        slack_ppm, reserve_ppm = self.chance.choice((0, 200_000)), self.chance.choice((0, 400_000))
        body = wire.PolicyChange(
            slack_ppm=slack_ppm,
            reserve_ppm=reserve_ppm,
            reserve_over_s=60,
            walk_in_ppm=self.chance.choice((0, 300_000, 600_000)),
            walk_in_within_s=60,
            contended=self.chance.choice(("none", "booked", "booked", "always")),
            contended_ppm=self.chance.choice((200_000, 600_000)),
            entry_s=30,
        )
        with self.world.db.begin() as session:
            policies.change_policy(self.world.service, session, "h100", body, actor=ADMIN, now=self.now)

    def share(self) -> None:
        with self.world.db.begin() as session:
            if self.chance.random() < 0.2:
                shares.remove(session, "globex", "h100", actor=ADMIN, now=self.now)
                return
            group = wire.ShareGroupSet(shares=self.chance.choice((1, 4)))
            shares.put_group(session, "h100", "seed", group, actor=ADMIN, now=self.now)
            body = wire.ShareSet(shares=self.chance.choice((1, 2, 9)), group=self.chance.choice((None, "seed")))
            who = self.chance.choice(("acme", "globex"))
            shares.put(session, who, "h100", body, actor=ADMIN, now=self.now)

    def count(self) -> None:
        with self.world.db.begin() as session:
            counts.count(session, self.world.service.books, "h100", now=self.now)

    def gap(self) -> None:
        """Shorter at any time, longer where that is in nobody's way."""
        with suppress(PolicyRefused), self.world.db.begin() as session:
            live = versions.live(session)
            found = live.pools["h100"].model_copy(update={"gap_s": self.chance.choice((1, 10, 40))})
            body = wire.PolicyPut(version=live.version, programme=live.programme, pools={"h100": found})
            policies.put(self.world.service, session, body, actor=ADMIN, now=self.now)

    def learn(self) -> None:
        with self.world.db.begin() as session:
            mix.renew(session, self.world.service.books, "h100", now=self.now)

    def in_state(self, *states: str) -> list[wire.Lease]:
        return [lease for lease in self.leases if self.world.lease(lease).state.value in states]

    def compare(self) -> None:
        now = Instant(math.ceil(self.now))
        with self.world.db.snapshot() as session:
            row = pools.row(session, "h100")
            policy = books.policy(row)
            found: list[Book] = [books.fresh(session, "h100", now)]
            found.append(history.book(session, "h100", row.generation, policy, now))
            found += [service.books.seen(session, "h100", now)[1] for service in self.services]
        assert len({book.digest(now) for book in found}) == 1, f"generation {row.generation}"
        assert len({(book.mix, tuple(book.stranded.tolist())) for book in found}) == 1, f"generation {row.generation}"
        self.mixes.add(found[0].mix)
        self.compared.add(row.generation)


def wire_time(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).isoformat()


@pytest.mark.parametrize("seed", range(2))
def test_the_tables_the_log_and_two_replicas_have_one_book_at_every_generation(database: Database, seed: int) -> None:
    day = Day(World(database).found(slack_ppm=200_000), seed)
    for _ in range(90):
        day.go_on()
    assert len(day.compared) > 25
    assert len(day.mixes) > 3
