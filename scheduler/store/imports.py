"""Many quotas at once: all are set or none is, and the answer says what is different and whom it touches."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlmodel import Session, col, select, tuple_

from dure import wire
from scheduler.actor import Actor
from scheduler.store import adding, defaults, generation, pages, programme, quota_checks, quotas
from scheduler.store.quota_checks import Mistake
from scheduler.store.tables import Company, DefaultQuota, Pool, Quota

Touched = Mapping[str, Collection[str]]
"""Companies by pool."""


def put(
    session: Session, body: wire.QuotaImport, *, actor: Actor, now: float
) -> tuple[list[wire.QuotaChange], Touched]:
    """Sets the quotas that are different; these, and whose of which pool they may have changed.

    Raises InvalidRequest or ContradictoryLimits, which name everything that is wrong by its place.
    """
    adding.alone(session, "company")
    there = _names_there(session, body.quotas)
    generation.lock_all(session, there.pools)
    changes = _changes(session, body.quotas)
    quota_checks.refuse(_mistakes(body.quotas, there, changes, now))
    pools = sorted({change.pool for change in changes})
    for pool in pools:
        own = [(one.company, one.after) for one in changes if one.pool == pool and one.company is not None]
        if own:
            quotas.write(session, pool, own, actor=actor, now=now)
    # After the rest, so that nobody who has a quota of its own by now follows it for an instant.
    for change in changes:
        if change.company is None:
            defaults.put(session, change.pool, change.after, actor=actor, now=now)
    touched = {pool: _touched(session, pool, changes) for pool in pools}
    return _with_beyond(session, changes, touched, now), touched


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


def _changes(session: Session, wanted: Sequence[wire.QuotaOf]) -> list[wire.QuotaChange]:
    """What is different, defaults first; one that followed a default becomes its own, whatever it says."""
    pools, zone = {one.pool for one in wanted}, programme.zone(session)
    own = session.exec(select(Quota).where(col(Quota.pool).in_(pools))).all()
    default = session.exec(select(DefaultQuota).where(col(DefaultQuota.pool).in_(pools))).all()
    had = {(row.company, row.pool): row for row in own}, {row.pool: row for row in default}
    found: list[wire.QuotaChange] = []
    for one in sorted(wanted, key=lambda one: (one.company is not None, one.pool, one.company or "")):
        row = had[1].get(one.pool) if one.company is None else had[0].get((one.company, one.pool))
        before = None if row is None else quotas.said_by(row)
        after = quotas.in_zone(wire.QuotaSet(**{name: getattr(one, name) for name in wire.QuotaSet.model_fields}), zone)
        if before != after or (isinstance(row, Quota) and row.of_default):
            warnings = quotas.warnings(after)
            change = wire.QuotaChange(
                company=one.company, pool=one.pool, before=before, after=after, beyond=[], warnings=warnings
            )
            found.append(change)
    return found


def _touched(session: Session, pool: str, changes: Sequence[wire.QuotaChange]) -> set[str]:
    """Whose quota of the pool is another by these, or may be."""
    whose = [change.company for change in changes if change.pool == pool]
    of_default = defaults.followers(session, pool) if None in whose else []
    return {*of_default, *(company for company in whose if company is not None)}


def _with_beyond(
    session: Session, changes: Sequence[wire.QuotaChange], touched: Touched, now: float
) -> list[wire.QuotaChange]:
    """Each with the promises that are beyond it: a company's own with the company's, a default with everybody else's."""
    own = {(change.company, change.pool) for change in changes}
    found: dict[tuple[str | None, str], list[wire.Beyond]] = {}
    for pool, of in touched.items():
        for lease, said in quotas.of_beyond(session, pool, of, now=now):
            key = (lease.company, pool) if (lease.company, pool) in own else (None, pool)
            found.setdefault(key, []).append(said)
    return [change.model_copy(update={"beyond": found.get((change.company, change.pool), [])}) for change in changes]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """Those of companies and pools that there are."""

    companies: Collection[str]
    pools: Collection[str]


def _names_there(session: Session, wanted: Sequence[wire.QuotaOf]) -> _Names:
    pools = select(Pool.name).where(col(Pool.name).in_({one.pool for one in wanted}))
    return _Names(companies=set(session.exec(select(Company.name)).all()), pools=set(session.exec(pools).all()))


def _mistakes(
    wanted: Sequence[wire.QuotaOf], there: _Names, changes: Iterable[wire.QuotaChange], now: float
) -> Iterator[Mistake]:
    """Everything that is wrong with each, by its place in the list."""
    by_whose = {(change.company, change.pool): change for change in changes}
    for place, one in enumerate(wanted):
        change = by_whose.get((one.company, one.pool))
        found = [] if change is None else quota_checks.mistakes(change.before, change.after, now)
        for mistake in (*_unknown(one, there), *found):
            yield replace(mistake, field=f"quotas.{place}.{mistake.field}")


def _unknown(one: wire.QuotaOf, there: _Names) -> Iterator[Mistake]:
    if one.company is not None and one.company not in there.companies:
        yield Mistake(field="company", said=f"there is no company {one.company}")
    if one.pool not in there.pools:
        yield Mistake(field="pool", said=f"there is no pool {one.pool}")
