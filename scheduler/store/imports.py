"""Many quotas at once: all are set or none is, and the answer says what is different and whom it touches."""

from collections.abc import Iterable, Sequence

from sqlmodel import Session, col, select, tuple_

from dure import wire
from dure.errors import InvalidRequest
from dure.wire import FieldError
from scheduler.actor import Actor
from scheduler.store import adding, defaults, generation, pages, quotas
from scheduler.store.tables import Company, DefaultQuota, Pool, Quota


def put(
    session: Session, body: wire.QuotaImport, *, actor: Actor, now: float
) -> tuple[list[wire.QuotaChange], list[tuple[str, str]]]:
    """Sets the quotas that are different; these, and whose in which pool they may have changed.

    Defaults are set before the rest. Raises InvalidRequest, which names every line that is wrong.
    """
    adding.alone(session, "company")
    _check(session, body.quotas)
    generation.lock_all(session, {one.pool for one in body.quotas})
    wanted = sorted(body.quotas, key=lambda one: (one.company is not None, one.pool, one.company or ""))
    changes = [change for one in wanted if (change := _change(session, one)) is not None]
    for change in changes:
        if change.company is None:
            defaults.put(session, change.pool, change.after, actor=actor, now=now)
    for pool in sorted({change.pool for change in changes}):
        own = [(one.company, one.after) for one in changes if one.pool == pool and one.company is not None]
        quotas.write(session, pool, own, actor=actor, now=now)
    touched = [(change, list(_touched(session, change))) for change in changes]
    shown = [change.model_copy(update={"beyond": _beyond(session, of, now)}) for change, of in touched]
    return shown, [pair for _, of in touched for pair in of]


def page(session: Session, *, after: str | None, limit: int) -> wire.Page[wire.QuotaOf]:
    """What `put` takes again: defaults by pool, then companies' own by company and pool. Raises BadCursor."""
    own = (after or "").startswith(_OWN)
    found = [] if own else _defaults(session, after or "", limit + 1)
    if len(found) <= limit:
        found += _own(session, (after or "").removeprefix(_OWN) if own else "", limit + 1 - len(found))
    return pages.page(found, limit, wire=lambda one: one, key=_key)


_OWN = "/"
"""Before a company in a cursor: it comes after every pool that has a default."""


def _key(one: wire.QuotaOf) -> str:
    return one.pool if one.company is None else f"{_OWN}{one.company}/{one.pool}"


def _defaults(session: Session, after: str, limit: int) -> list[wire.QuotaOf]:
    query = select(DefaultQuota).where(col(DefaultQuota.pool) > after).order_by(col(DefaultQuota.pool)).limit(limit)
    return [wire.QuotaOf(pool=row.pool, **dict(quotas.said_by(row))) for row in session.exec(query)]


def _own(session: Session, after: str, limit: int) -> list[wire.QuotaOf]:
    company, _, pool = after.partition("/")
    place = tuple_(col(Quota.company), col(Quota.pool))
    query = (
        select(Quota)
        .where(~col(Quota.of_default), place > tuple_(company, pool))
        .order_by(col(Quota.company), col(Quota.pool))
        .limit(limit)
    )
    return [
        wire.QuotaOf(company=row.company, pool=row.pool, **dict(quotas.said_by(row))) for row in session.exec(query)
    ]


def _change(session: Session, one: wire.QuotaOf) -> wire.QuotaChange | None:
    """What is different; one that followed a default becomes its own, whatever it says."""
    row = session.get(DefaultQuota, one.pool) if one.company is None else session.get(Quota, (one.company, one.pool))
    before = None if row is None else quotas.said_by(row)
    after = quotas.in_zone(session, wire.QuotaSet(**one.model_dump(exclude={"company", "pool"})))
    if before == after and not (isinstance(row, Quota) and row.of_default):
        return None
    return wire.QuotaChange(company=one.company, pool=one.pool, before=before, after=after, beyond=[])


def _touched(session: Session, change: wire.QuotaChange) -> Iterable[tuple[str, str]]:
    whose = defaults.followers(session, change.pool) if change.company is None else [change.company]
    return ((company, change.pool) for company in whose)


def _beyond(session: Session, of: Iterable[tuple[str, str]], now: float) -> list[wire.Beyond]:
    return [said for company, pool in of for _, said in quotas.of_beyond(session, company, pool, now=now)]


def _check(session: Session, wanted: Sequence[wire.QuotaOf]) -> None:
    companies = set(session.exec(select(Company.name)).all())
    pools = set(session.exec(select(Pool.name).where(col(Pool.name).in_({one.pool for one in wanted}))).all())
    errors: list[FieldError] = []
    for place, one in enumerate(wanted):
        if one.company is not None and one.company not in companies:
            errors.append(FieldError(field=f"quotas.{place}.company", message=f"there is no company {one.company}"))
        if one.pool not in pools:
            errors.append(FieldError(field=f"quotas.{place}.pool", message=f"there is no pool {one.pool}"))
    if errors:
        said = "; ".join(f"{error.field}: {error.message}" for error in errors[:5])
        raise InvalidRequest(f"{said}. Nothing was changed", errors=errors)
