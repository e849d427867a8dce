"""Quotas of many companies at once: whatever becomes of their budgets takes as many statements as one company's."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event

from dure import wire
from scheduler.store import defaults, imports, quotas
from scheduler.store.db import Session
from scheduler.turns import budgets
from tests.integration.scheduler.conftest import ADMIN, T0, World
from tests.integration.scheduler.test_budgets import MONDAY, iso, verified


@contextmanager
def counted(session: Session) -> Iterator[list[str]]:
    """The statements that are sent meanwhile."""
    sent: list[str] = []

    def count(*about: object) -> None:
        sent.append(str(about[2]))

    engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", count)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", count)


def companies(world: World, kind: str, many: int) -> list[str]:
    names = [f"{kind}-{number}" for number in range(many)]
    with world.db.begin() as session:
        for name in names:
            session.connection().exec_driver_sql("INSERT INTO company (name, created_at) VALUES (%s, now())", (name,))
    return names


def put(world: World, names: list[str], budget: wire.Budget | None, *, now: float) -> int:
    """How many statements it takes to set this budget of these companies."""
    wanted = [wire.QuotaOf(company=name, pool="h100", gpus=4, budget=budget) for name in names]
    with world.db.begin() as session, counted(session) as sent:
        changes, _ = imports.put(session, wire.QuotaImport(quotas=wanted), actor=ADMIN, now=now)
        session.flush()
    assert len(changes) == len(names)
    return len(sent)


def test_a_list_of_quotas_takes_as_many_statements_as_one(world: World) -> None:
    one, many = companies(world, "one", 1), companies(world, "many", 25)
    week, more = wire.Budget(gpu_seconds=1000, period="week"), wire.Budget(gpu_seconds=2000, period="week")
    term = wire.Budget.model_validate(
        {"gpu_seconds": 500, "period": "term", "begins_at": iso(T0), "ends_at": iso(MONDAY)}
    )
    for budget in (week, more, wire.Budget(gpu_seconds=9000, period="month", carries_over=True), term, None, week):
        assert put(world, many, budget, now=T0) <= put(world, one, budget, now=T0) + 2, budget
    verified(world)


def test_so_does_the_end_of_their_weeks(world: World) -> None:
    names = companies(world, "many", 25)
    carried = wire.Budget(gpu_seconds=1000, period="week", carries_over=True)
    put(world, names, carried, now=T0)
    with world.db.begin() as session, counted(session) as sent:
        assert budgets.roll(session, "h100", now=MONDAY) == sorted(names)
    with world.db.snapshot() as session:
        assert quotas.get(session, names[7], "h100", now=MONDAY).periods[0].gpu_seconds > 1000
    for name in names[1:]:
        world.set_quota(name, 4, now=MONDAY + 1)
    with world.db.begin() as session, counted(session) as alone:
        assert budgets.roll(session, "h100", now=MONDAY + 7 * 86_400) == names[:1]
    assert len(sent) <= len(alone) + 2
    verified(world)


def test_and_another_default_of_everybody_who_follows_it(world: World) -> None:
    def put_default(gpus: int) -> int:
        body = wire.QuotaSet(gpus=gpus, budget=wire.Budget(gpu_seconds=1000 * gpus, period="week"))
        with world.db.begin() as session, counted(session) as sent:
            defaults.put(session, "h100", body, actor=ADMIN, now=T0)
            session.flush()
        return len(sent)

    companies(world, "one", 1)
    put_default(1)
    alone = put_default(2)
    companies(world, "many", 25)
    put_default(3)
    assert put_default(4) <= alone + 2
    verified(world)


def test_a_term_that_is_over_stays_where_something_else_is_changed(world: World) -> None:
    term = {"gpu_seconds": 500, "period": "term", "begins_at": iso(T0), "ends_at": iso(T0 + 50)}
    world.set_quota("acme", 16, now=T0, budget=term)
    assert world.set_quota("acme", 8, now=T0 + 60, budget=term).gpus == 8
    with world.db.begin() as session:
        found = quotas.patch(session, "acme", "h100", wire.QuotaPatch(gpus=4), actor=ADMIN, now=T0 + 61)
        listed = imports.page(session, after=None, limit=10).items
        changes, _ = imports.put(session, wire.QuotaImport(quotas=listed), actor=ADMIN, now=T0 + 62)
    assert (found.gpus, changes) == (4, [])
