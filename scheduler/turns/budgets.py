"""Budgets: when a period is over, what is left of it expires or is carried over, and periods that come into sight are opened."""

from scheduler.store import budgets, due, generation, quotas
from scheduler.store.budgets import Where
from scheduler.store.db import Session


def roll(session: Session, pool: str, *, now: float) -> list[str]:
    """The companies of which a period was over, in one pool. The caller fences and commits."""
    generation.lock(session, pool)
    found = due.budgets(session, pool, now=now)
    known = {company: budgets.parsed(budget) for company, budget in quotas.budgeted(session, pool, found)}
    where = Where(pool=pool, now=int(now))
    budgets.close(session, where, {company: known.get(company) for company in found})
    budgets.extend(session, where, {company: budget for company, budget in known.items() if budget is not None})
    quotas.forget(session, pool, list(known), now=now)
    return found
