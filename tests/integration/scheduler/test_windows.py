"""Asks that contradict themselves or the time are answered before anything is decided or stored."""

from typing import Any

import pytest
from sqlalchemy import text

from dure import wire
from dure.errors import BeyondHorizon, DureError, Forbidden, InvalidRequest, UnknownCompany, UnknownPool, WindowInPast
from scheduler.actor import Actor
from scheduler.core.words import time as rfc
from scheduler.service import Service
from scheduler.store import quotas
from scheduler.store.books import Books
from scheduler.store.db import Database
from scheduler.store.times import to_wire
from tests.integration.scheduler.conftest import ADMIN, T0, World, company

ACME = company("acme")
DAY = 86_400


def _ask(world: World, actor: Actor = ACME, **changes: Any) -> wire.Lease:
    body = {"pool": "h100", "shape": {"gpus": 1}, "duration_s": 60} | changes
    with world.db.begin() as session:
        return world.service.ask(session, wire.Ask.model_validate(body), actor=actor, now=T0 + 0.5)


@pytest.mark.parametrize(
    ("changes", "want", "field"),
    [
        pytest.param({"start": to_wire(T0 - 1)}, WindowInPast, "start", id="a start in the past"),
        pytest.param({"start": to_wire(T0)}, WindowInPast, "start", id="a start half a second ago"),
        pytest.param({"start_by": to_wire(T0 - 1)}, WindowInPast, "start_by", id="a window in the past"),
        pytest.param(
            {"start": to_wire(T0 + 9), "start_by": to_wire(T0 + 8)}, InvalidRequest, "start_by", id="reversed"
        ),
        pytest.param({"start": to_wire(T0 + 60 * DAY)}, BeyondHorizon, "start", id="beyond the horizon"),
        pytest.param({"start": to_wire(32_000_000_000)}, BeyondHorizon, "start", id="the year 2984"),
    ],
)
def test_a_window_that_cannot_be_names_the_field(
    world: World, changes: dict[str, Any], want: type[DureError], field: str
) -> None:
    with pytest.raises(want) as raised:
        _ask(world, **changes)
    assert [error.field for error in raised.value.errors] == [field]
    with world.db.snapshot() as session:
        assert session.connection().execute(text("SELECT count(*) FROM decision")).scalar_one() == 0


def test_a_window_that_is_open_still_starts_now(world: World) -> None:
    lease = _ask(world, start=to_wire(T0 - 100), start_by=to_wire(T0 + 100))
    assert (lease.state, lease.promised_start) == ("scheduled", to_wire(T0 + 1))


def test_the_last_second_of_the_calendar_that_is_offered_can_be_asked_for(world: World) -> None:
    """Offers and refusals count the horizon from the next whole second on, as every decision does."""
    last = T0 + 1 + 60 * DAY - 60
    assert _ask(world, start=to_wire(last)).promised_start == to_wire(last)
    with pytest.raises(BeyondHorizon) as refused:
        _ask(world, start=to_wire(last + 1))
    assert refused.value.numbers["horizon_end"] == rfc(T0 + 1 + 60 * DAY)


def test_an_unknown_pool_is_named(world: World) -> None:
    with pytest.raises(UnknownPool, match="b200"):
        _ask(world, pool="b200")


def test_an_admin_says_for_whom_it_asks(world: World) -> None:
    with pytest.raises(InvalidRequest, match="company"):
        _ask(world, ADMIN)
    with pytest.raises(UnknownCompany, match="nobody"):
        _ask(world, ADMIN, company="nobody")
    assert _ask(world, ADMIN, company="globex").company == "globex"


def test_a_company_asks_for_itself_alone(world: World) -> None:
    with pytest.raises(Forbidden, match="globex"):
        _ask(world, company="globex")


@pytest.mark.parametrize(
    ("shape", "code"),
    [
        pytest.param({"gpus": 17}, "never_fits", id="more than there are"),
        pytest.param({"nodes": 1, "gpus_per_node": 9}, "never_fits", id="no node is so large"),
        pytest.param({"nodes": 3, "gpus_per_node": 1}, "never_fits", id="not so many nodes"),
        pytest.param({"nodes": 100_000, "gpus_per_node": 100_000}, "never_fits", id="enormous"),
    ],
)
def test_what_can_never_be_is_refused_with_the_numbers_and_stored(
    world: World, shape: dict[str, int], code: str
) -> None:
    lease = _ask(world, shape=shape)
    assert (lease.state, lease.decision.outcome, lease.decision.code) == ("refused", "refused", code)
    assert lease.decision.id is not None
    assert lease.decision.numbers["limit_gpus"] == 16


def test_what_the_quota_does_not_allow_is_refused_with_the_limit_and_what_it_would_allow(world: World) -> None:
    with world.db.begin() as session:
        quotas.put(session, "acme", "h100", wire.QuotaSet(gpus=4), actor=ADMIN, now=T0)
    lease = _ask(world, shape={"gpus": 5})
    assert (lease.state, lease.decision.code) == ("refused", "quota_exceeded")
    assert (lease.decision.numbers["limit_gpus"], lease.decision.numbers["largest_gpus"]) == (4, 4)


def test_a_quote_says_what_the_ask_then_gets_and_stores_nothing(world: World) -> None:
    body = wire.Ask.model_validate({"pool": "h100", "shape": {"nodes": 2, "gpus_per_node": 8}, "duration_s": 60})
    with world.db.snapshot() as session:
        quote = world.service.quote(session, body, actor=ACME, now=T0)
    assert quote.decision.id is None
    lease = world.ask(16, shape={"nodes": 2, "gpus_per_node": 8}, duration_s=60, now=T0 + 1)
    assert (lease.promised_start, lease.placement) == (quote.promised_start, quote.placement)
    assert quote.decision.code == "starts_now"


@pytest.mark.parametrize("wait_s", [0, 0.3, 0.999])
@pytest.mark.parametrize("now", [T0 + 59.4, T0 + 60, T0 + 70 - 0.5, T0 + 70, T0 + 200.001])
def test_a_quote_holds_for_a_second(database: Database, now: float, wait_s: float) -> None:
    """Around the instant at which what runs is over and cleaned up, and in a pool that is empty."""
    world = World(database).found(nodes_=("n1",), slack_ppm=500_000)
    world.ask(8, duration_s=60, who="globex")
    body = wire.Ask.model_validate({"pool": "h100", "shape": {"gpus": 8}, "duration_s": 60})
    with world.db.snapshot() as session:
        quote = world.service.quote(session, body, actor=ACME, now=now)
        on_the_book = world.service.quote_on(world.service.books.held("h100")[1], body, actor=ACME, now=now)
    assert on_the_book == quote
    lease = world.ask(8, duration_s=60, now=now + wait_s)
    assert lease.promised_start is not None
    assert quote.promised_start is not None
    assert lease.promised_start <= quote.promised_start


def test_an_ask_that_does_not_want_to_wait_is_refused_with_what_would_work(world: World) -> None:
    world.ask(16, shape={"nodes": 2, "gpus_per_node": 8})
    refused = _ask(world, company("globex"), start=to_wire(T0 + 50), queue=False)
    assert refused.decision.code == "no_start_in_window"
    assert refused.decision.numbers["earliest_start"] == "2027-01-15T08:01:50Z"


def test_no_start_is_promised_in_a_past_that_passed_while_waiting_for_the_lock(world: World) -> None:
    slow = Service(Books(), lambda: T0 + 7.5)
    body = wire.Ask.model_validate({"pool": "h100", "shape": {"gpus": 1}, "duration_s": 60})
    with world.db.begin() as session:
        lease = slow.ask(session, body, actor=ACME, now=T0)
    assert lease.promised_start == to_wire(T0 + 8)
