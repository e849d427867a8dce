"""Many quotas at once: all are set or none is, and the answer says what is different and whom it touches."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlmodel import Session, col, select, tuple_

from dure import wire
from dure.errors import ContradictoryLimits, InvalidRequest
from dure.quota_clashes import contradictions
from dure.wire import FieldError
from scheduler.actor import Actor
from scheduler.store import adding, defaults, generation, pages, programme, quotas
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
    _check_names(session, body.quotas)
    generation.lock_all(session, {one.pool for one in body.quotas})
    changes = _changes(session, body.quotas)
    _check_terms(body.quotas, changes, now)
    _check_clashes(body.quotas, changes)
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


def _check_names(session: Session, wanted: Sequence[wire.QuotaOf]) -> None:
    companies = set(session.exec(select(Company.name)).all())
    pools = set(session.exec(select(Pool.name).where(col(Pool.name).in_({one.pool for one in wanted}))).all())
    errors: list[FieldError] = []
    for place, one in enumerate(wanted):
        if one.company is not None and one.company not in companies:
            errors.append(FieldError(field=f"quotas.{place}.company", message=f"there is no company {one.company}"))
        if one.pool not in pools:
            errors.append(FieldError(field=f"quotas.{place}.pool", message=f"there is no pool {one.pool}"))
    _refuse(errors)


def _check_terms(wanted: Sequence[wire.QuotaOf], changes: Iterable[wire.QuotaChange], now: float) -> None:
    over = {
        (change.company, change.pool) for change in changes if quotas.becomes_over(change.before, change.after, now)
    }
    _refuse(
        [
            FieldError(field=f"quotas.{place}.budget", message=quotas.TERM_OVER)
            for place, one in enumerate(wanted)
            if (one.company, one.pool) in over
        ]
    )


def _check_clashes(wanted: Sequence[wire.QuotaOf], changes: Iterable[wire.QuotaChange]) -> None:
    places = {(one.company, one.pool): place for place, one in enumerate(wanted)}
    found = [
        (places[change.company, change.pool], one)
        for change in changes
        for one in contradictions(change.before, change.after)
    ]
    if found:
        errors = [FieldError(field=f"quotas.{place}.{one.field}", message=one.said) for place, one in found]
        raise ContradictoryLimits(quotas.unchanged(errors), errors=errors, numbers=found[0][1].numbers)


def _refuse(errors: list[FieldError]) -> None:
    if errors:
        raise InvalidRequest(quotas.unchanged(errors), errors=errors)
