"""What companies had and used, in GPU-seconds, over a stretch of time that need not be of whole days."""

from datetime import datetime

from sqlalchemy import text
from sqlmodel import Session

from dure import wire
from dure.errors import InvalidRequest
from scheduler.actor import Actor
from scheduler.store import companies
from scheduler.store.lease_days import CUT_DAYS, WHOLE_DAYS, stretch
from scheduler.store.times import from_wire

_USAGE = {
    cut: text(
        f"""
        {begin}
        SELECT company, pool, count(*) FILTER (WHERE is_first) AS leases, sum(leased)::bigint AS leased, sum(lost)::bigint AS lost,
               sum(busy)::bigint AS busy, sum(idle)::bigint AS idle, sum(energy_joules)::bigint AS joules
        FROM lease_days GROUP BY company, pool ORDER BY company, pool
        """
    )
    for cut, begin in ((True, CUT_DAYS), (False, WHOLE_DAYS))
}


def show(
    session: Session, *, actor: Actor, company: str | None, since: datetime, until: datetime, now: float
) -> wire.Usage:
    """What runs counts up to now; a company sees its own alone. Raises UnknownCompany, InvalidRequest."""
    if until <= since:
        message = "it comes after since"
        raise InvalidRequest.about("until", message)
    if company is not None:
        companies.row(session, company)
    found = stretch(session, from_wire(since), from_wire(until), now=now)
    values = found.values(now=now, company=actor.company or company, pool=None)
    return wire.Usage(
        since=since,
        until=until,
        rows=[
            wire.CompanyUsage(
                company=row.company,
                pool=row.pool,
                leases=row.leases,
                leased_gpu_seconds=row.leased,
                lost_gpu_seconds=row.lost,
                busy_gpu_seconds=row.busy,
                idle_gpu_seconds=row.idle,
                unknown_gpu_seconds=row.leased - row.busy - row.idle,
                energy_joules=row.joules,
            )
            for row in session.connection().execute(_USAGE[found.cut], values)
        ],
    )
