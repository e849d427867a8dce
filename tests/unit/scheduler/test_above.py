"""More time and more GPUs keep a company within its share of a contended pool, while others wait whose turn is before."""

from dataclasses import replace
from typing import Any

import pytest

from scheduler.core import record
from scheduler.core.book import Book
from scheduler.core.extend import Extended, NotExtended, extend
from scheduler.core.growth import Bounds, NotGrown, resize
from scheduler.core.model import CompanyId, LeaseId, Purpose
from scheduler.core.resize import Resized
from scheduler.core.shares import Use, Uses
from tests.builders import a_lease, at_its_time
from tests.unit.scheduler.test_fairness import ACME, BOLT, NOW, a_pool, running

MINE = LeaseId("lea_a")


def extended(book: Book, until: int, rivals: list[CompanyId] | None, **more: Any) -> Extended | NotExtended:
    """With what is kept of it, which is the same made again."""
    found = extend(book, MINE, until, NOW, rivals=rivals, **more)
    kept = record.of_extension(book, MINE, until, NOW, found, rivals=rivals, **more)
    assert record.again(kept.kind, book, record.loads(kept.inputs)) == kept.result
    return found


def grown(book: Book, size: int, rivals: list[CompanyId] | None) -> Resized | NotGrown:
    found = resize(book, MINE, size, NOW, rivals=rivals)
    kept = record.of_resize(book, MINE, size, NOW, found, ready={}, bounds=Bounds(), rivals=rivals)
    assert record.again(kept.kind, book, record.loads(kept.inputs)) == kept.result
    assert isinstance(found, Resized | NotGrown)
    return found


def stopped(found: Extended | NotExtended) -> tuple[str, int] | None:
    """What is in the way, and from when on."""
    return None if found.obstacle is None else (found.obstacle.what, found.obstacle.at)


def above(**policy: Any) -> Book:
    """Acme runs on 8 GPUs until 1500 and its share is 4; bolt has 4 others from 1600 until 1700."""
    other = at_its_time(a_lease("lea_b", company="bolt", starts_at=1600, duration_s=100, n2=4))
    return a_pool(running("lea_a", "acme"), other, contended="booked", ppm=500_000, **policy)


def within() -> Book:
    return a_pool(running("lea_a", "acme", n1=4), running("lea_b", "bolt", until=3000, n2=8))


def test_beyond_its_share_a_lease_is_extended_up_to_where_the_pool_is_contended() -> None:
    found = extended(above(), 2000, [BOLT])
    assert isinstance(found, NotExtended)
    assert (stopped(found), found.longest_s) == (("share", 1600), 100)
    partly = extended(above(), 2000, [BOLT], partly=True)
    assert isinstance(partly, Extended)
    assert (partly.lease.ends_at, stopped(partly)) == (1600, ("share", 1600))


@pytest.mark.parametrize(
    ("book", "rivals"),
    [
        pytest.param(within(), [BOLT], id="it stays within its share"),
        pytest.param(above(), [], id="nobody waits"),
        pytest.param(above(), [ACME], id="only its own company waits"),
        pytest.param(above(), None, id="shares are not looked at"),
        pytest.param(
            above().changed([Uses(at=NOW, of=(Use(company=BOLT, used=90_000, entitled=0),))]),
            [BOLT],
            id="who waits has had more, by its share",
        ),
    ],
)
def test_it_is_extended_at_will_where(book: Book, rivals: list[CompanyId] | None) -> None:
    assert stopped(extended(book, 2000, rivals)) is None


def test_who_had_too_much_goes_on_only_up_to_a_start_that_somebody_before_it_waits_for() -> None:
    waits = a_lease("lea_b", company="bolt", starts_at=1700, duration_s=100, n2=4)
    book = a_pool(running("lea_a", "acme"), waits, contended="always")
    owed = book.changed([Uses(at=NOW, of=(Use(company=ACME, used=0, entitled=90_000),))])
    assert stopped(extended(owed, 2000, [])) is None
    had = book.changed([Uses(at=NOW, of=(Use(company=ACME, used=900, entitled=0),))])
    assert stopped(extended(had, 2000, [])) == ("share", 1700)


def inference(book: Book) -> Book:
    return book.put_lease(replace(book.leases[MINE], purpose=Purpose.INFERENCE))


def test_a_lease_grows_to_its_companys_share_and_beyond_it_in_its_turn() -> None:
    book = inference(a_pool(running("lea_a", "acme", n1=2), contended="always"))
    found = grown(book, 6, [BOLT])
    assert isinstance(found, NotGrown)
    assert (found.obstacle, found.largest) == ("share", 4)
    assert isinstance(grown(book, 4, [BOLT]), Resized)
    assert isinstance(grown(book, 6, []), Resized)
    assert isinstance(grown(book, 6, None), Resized)


def test_a_lease_that_has_not_started_is_held_to_the_share_as_one_that_runs() -> None:
    book = inference(a_pool(a_lease("lea_a", starts_at=1200, duration_s=300, n1=2), contended="always"))
    found = grown(book, 5, [BOLT])
    assert isinstance(found, NotGrown)
    assert (found.obstacle, found.largest) == ("share", 4)
    more = a_pool(a_lease("lea_a", starts_at=1200, duration_s=300, n1=6), contended="always")
    assert stopped(extended(more, 1800, [BOLT])) == ("share", 1500)
