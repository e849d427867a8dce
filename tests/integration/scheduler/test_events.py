"""The outbox: readers see every event once, in one order, whatever order the transactions commit in."""

import random
from contextlib import ExitStack

import pytest
from sqlalchemy import create_engine, text

from dure.errors import BadCursor, InvalidRequest
from scheduler.store import events, migrate
from scheduler.store.db import Database, Session, engine_url
from scheduler.store.events import BEGINNING, Position
from tests.integration.scheduler.conftest import ADMIN, T0, World, company


def write(session: Session, name: str) -> None:
    events.company_event(session, "acme", name, at=T0, cause="test", detail={})
    session.flush()


class Reader:
    """Reads on from where it stood, as every reader does."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.position: Position = BEGINNING
        self.seen: list[str] = []

    def read(self, limit: int = 100) -> list[str]:
        with self.db.snapshot() as session:
            found = events.after(session, self.position, limit=limit)
        if found:
            self.position = events.at(found[-1])
        names = [row.event for row in found]
        self.seen += names
        return names


def test_an_event_that_commits_late_is_not_skipped(any_database: Database) -> None:
    reader = Reader(any_database)
    with any_database.begin() as slow:
        write(slow, "slow")
        with any_database.begin() as quick:
            write(quick, "quick")
        assert reader.read() == [], "the slow one has the lower number and may still come"
    assert reader.read() == ["slow", "quick"]
    assert reader.read() == []


def test_a_number_drawn_late_by_an_early_transaction_does_not_change_the_order(any_database: Database) -> None:
    reader = Reader(any_database)
    with any_database.begin() as early:
        write(early, "early-1")
        with any_database.begin() as late:
            write(late, "late")
        write(early, "early-2")
    assert reader.read(limit=1) == ["early-1"]
    assert reader.read() == ["early-2", "late"]


def test_what_is_rolled_back_was_never_there_and_holds_up_nothing_afterwards(database: Database) -> None:
    reader = Reader(database)
    with database.begin() as gone:
        write(gone, "gone")
        with database.begin() as quick:
            write(quick, "quick")
        assert reader.read() == []
        gone.rollback()
    assert reader.read() == ["quick"]


def test_who_only_reads_holds_up_nothing(database: Database) -> None:
    reader = Reader(database)
    with database.snapshot() as looking:
        events.head(looking)
        with database.begin() as session:
            write(session, "quick")
        assert reader.read() == ["quick"]


@pytest.mark.parametrize("seed", range(5))
def test_transactions_that_overlap_at_random_lose_nothing_and_repeat_nothing(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    reader = Reader(database)
    written: list[str] = []
    running: list[tuple[ExitStack, Session]] = []
    for number in range(40):
        if running and (len(running) > 5 or chance.random() < 0.5):
            stack, _ = running.pop(chance.randrange(len(running)))
            stack.close()
        else:
            stack = ExitStack()
            running.append((stack, stack.enter_context(database.begin())))
        if running:
            name = f"event-{number}"
            write(chance.choice(running)[1], name)
            written.append(name)
        reader.read(limit=chance.choice([1, 3, 100]))
    for stack, _ in running:
        stack.close()
    while reader.read(limit=7):
        pass
    assert sorted(reader.seen) == sorted(written)


def test_a_position_is_found_again_by_its_events_id(world: World) -> None:
    world.ask(4)
    world.ask(4)
    with world.db.snapshot() as session:
        rows = events.after(session, BEGINNING, limit=10)
        assert rows[0].seq is not None
        assert events.found(session, events.event_id(rows[0].seq), field="after") == events.at(rows[0])
        assert events.found(session, "evt_999999", field="after") == events.head(session) == events.at(rows[-1])
        assert events.found(session, "evt_0", field="after") == BEGINNING
        for odd in ("", "evt_", "evt_1x", "1", "evt_" + "9" * 19, "evt_١"):
            with pytest.raises(InvalidRequest, match="for example evt_1207"):
                events.found(session, odd, field="after")


def test_a_page_begins_where_it_is_told_to_and_shows_a_company_its_own_alone(world: World) -> None:
    world.ask(1, now=T0)
    world.ask(1, now=T0 + 60, who="globex")
    last = world.ask(1, now=T0 + 120)
    with world.db.snapshot() as session:
        every = events.page(session, actor=ADMIN, after_key=None, limit=10).items
        assert [event.company for event in every] == ["acme", "globex", "acme"]
        own = events.page(session, actor=company("acme"), after_key=None, limit=10).items
        assert own == [every[0], every[2]]
        assert events.page(session, actor=ADMIN, company="globex", after_key=None, limit=10).items == [every[1]]
        assert events.page(session, actor=ADMIN, pool="h200", after_key=None, limit=10).items == []
        late = events.page(session, actor=ADMIN, since=every[1].at, after_key=None, limit=10).items
        assert late == every[1:]
        assert events.page(session, actor=ADMIN, event_id=every[1].id, after_key=None, limit=10).items == every[2:]
        with pytest.raises(BadCursor):
            events.page(session, actor=ADMIN, after_key="x", limit=10)
    assert (every[2].type, every[2].lease) == ("lease.scheduled", last.id)
    assert every[2].data.starts_at == last.starts_at
    assert every[2].data.promised_start == last.promised_start


def test_events_of_a_database_that_was_loaded_from_a_dump_stay_in_order_and_hide_nothing(database_url: str) -> None:
    """A dump keeps the numbers of the transactions of the server that it was made on."""
    database = Database(database_url)
    owner = create_engine(engine_url(database_url))
    for name in ("first", "second"):
        with database.begin() as session:
            write(session, name)
    with owner.begin() as connection:
        connection.execute(text("UPDATE lease_event SET xid = xid + 1000000000"))
        connection.execute(text("UPDATE webhook_cursor SET (xid, seq) = (SELECT max(xid), max(seq) FROM lease_event)"))
    owner.dispose()
    assert Reader(database).read() == [], "they are numbered as if they were still to come"
    migrate.upgrade(database_url)
    with database.begin() as session:
        write(session, "third")
    assert Reader(database).read() == ["first", "second", "third"]
    with database.snapshot() as session:
        cursor = Position(*session.connection().execute(text("SELECT xid, seq FROM webhook_cursor")).one())
        assert [row.event for row in events.after(session, cursor, limit=10)] == ["third"]
    migrate.upgrade(database_url)
    assert Reader(database).read() == ["first", "second", "third"]
    database.close()
