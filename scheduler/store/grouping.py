"""In which group of companies each lease was on each day: the one its company was in, in its pool, when that day ended.

The log of a pool's book has every change of its shares, and never loses one: so what a report says of a day that is over
stays as it is, whatever company goes into which group later.
"""

from sqlalchemy import text
from sqlmodel import Session, col, select

from dure import wire
from dure.errors import UnknownGroup
from scheduler.actor import Actor
from scheduler.store.tables import ShareGroup

GROUPED = f"""
    , change AS (
        SELECT c.pool, c.subject AS company, coalesce(nullif(c.value->>'group', ''), '{wire.NO_GROUP}') AS name,
               (CAST(:days AS date[]))[1 + width_bucket(extract(epoch FROM c.at)::bigint, CAST(:ends AS bigint[]))] AS since,
               c.generation, c.seq
        FROM pool_change c WHERE c.kind = 'share'
    ), spell AS MATERIALIZED (
        SELECT pool, company, name, since,
               coalesce(lead(since) OVER (PARTITION BY pool, company ORDER BY since, generation, seq), 'infinity') AS until
        FROM change WHERE since IS NOT NULL
    ), grouped AS (
        SELECT d.*, coalesce(s.name, '{wire.NO_GROUP}') AS share_group
        FROM lease_days d
        LEFT JOIN spell s ON s.pool = d.pool AND s.company = d.company AND d.day >= s.since AND d.day < s.until
    )
"""
"""Goes on from a query of `store.lease_days` with `grouped`: its lease days, each with its `share_group`.

Of the changes of one day the last counts: the others' spells are empty. Spells are in the order of days, so that no clock
that was set back makes two of them meet.
"""

EVER_IN = f"""
    (CAST(:group AS text) IS NULL OR :group = '{wire.NO_GROUP}' OR EXISTS (
        SELECT FROM pool_change c
        WHERE c.kind = 'share' AND c.pool = l.pool AND c.subject = l.company AND c.value->>'group' = :group))
"""
"""Whether a lease `l` can have days in `:group`: its company was in it at some time."""

_WAS_IN = text(
    "SELECT EXISTS (SELECT FROM pool_change WHERE kind = 'share' AND subject = :company AND value->>'group' = :group)"
)


def check(session: Session, group: str, pool: str | None, actor: Actor) -> None:
    """That there is such a group, in the pool where one is said; a company knows those that it was in.

    Raises UnknownGroup.
    """
    if group == wire.NO_GROUP:
        return
    if actor.company is not None:
        there = session.connection().execute(_WAS_IN, {"company": actor.company, "group": group}).scalar_one()
    else:
        query = select(ShareGroup.name).where(col(ShareGroup.name) == group).limit(1)
        there = session.exec(query if pool is None else query.where(col(ShareGroup.pool) == pool)).first() is not None
    if not there:
        where = "no pool has a group" if pool is None else f"pool {pool} has no group"
        raise UnknownGroup(
            f"{where} {group}; `dure report --by group` shows those that had something, and {wire.NO_GROUP} is for "
            "companies in no group"
        )
