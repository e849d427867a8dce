"""What should be is read whole, or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from dure.errors import Unavailable
from scheduler.kube import rows
from scheduler.kube.desired import Desired
from scheduler.kube.rows import Rows, changed
from scheduler.store.db import Database
from scheduler.store.leader import Deposed
from tests.unit.scheduler.kube.builders import a_company, a_lease

EPOCH = 7
SAID = Desired(companies={"acme": a_company(a_lease())})


class Away:
    """A database that goes away as a look at it is ended."""

    def __init__(self) -> None:
        self.fails = False

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        yield
        if self.fails:
            raise Unavailable("it is away", retry_after_s=1)


@pytest.fixture
def db(monkeypatch: pytest.MonkeyPatch) -> Away:
    monkeypatch.setattr(rows.enforced, "version", lambda _: ("said", EPOCH))
    monkeypatch.setattr(rows.enforced, "desired", lambda *_, **__: SAID)
    return Away()


def reader(db: Away, epoch: int = EPOCH) -> Rows:
    return Rows(cast(Database, db), "main", epoch, least_grace_s=6)


def test_a_change_that_was_read_as_the_database_went_away_is_a_change_the_next_time(db: Away) -> None:
    found, db.fails = reader(db), True
    with pytest.raises(Unavailable):
        found.read()
    assert found.is_old
    assert found.desired == Desired()
    db.fails = False
    assert [*changed(found.read(), found.desired)] == ["acme"]


def test_what_is_said_again_is_no_change(db: Away) -> None:
    found = reader(db)
    found.read()
    assert [*changed(found.read(), found.desired)] == []
    assert not found.is_old
    assert not found.is_stale


def test_nothing_is_read_for_a_lead_that_is_another_s(db: Away) -> None:
    with pytest.raises(Deposed):
        reader(db, EPOCH - 1).read()
