"""Single leases, from ask to receipt: those that are open and those that ended just now, a stated number at most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlmodel import Session

from scheduler import days
from scheduler.store import programme
from scheduler.store.lease_days import WHOLE_DAYS_OF_SOME, stretch
from scheduler.store.snapshot.open_leases import OPEN_OR_JUST_OVER

MOST_LEASES = 1000
"""As many are told one by one; of more the newest are."""

TOLD_S = 900
"""For so long after its end a lease is told still, so that whoever scrapes has its receipt."""

_INSTANTS = {
    "asked": "asked_at",
    "promised": "promised_start",
    "starts": "starts_at",
    "started": "started_at",
    "ends": "stops_at",
    "ended": "ended_at",
}

_SHOWN = text(
    f"""
    WITH {OPEN_OR_JUST_OVER}
    SELECT id, company, pool, tier, purpose, state, total_gpus, count(*) OVER () AS found,
        {", ".join(f"extract(epoch FROM {column})::float8 AS {at}" for at, column in _INSTANTS.items())}
    FROM open_lease ORDER BY id DESC LIMIT :most
    """
)

_HAD = text(
    f"""
    {WHOLE_DAYS_OF_SOME}
    SELECT lease, sum(leased)::bigint AS leased, sum(busy)::bigint AS busy, sum(idle)::bigint AS idle, sum(lost)::bigint AS lost
    FROM lease_days GROUP BY lease
    """
)

_POSTED = text(
    """
    SELECT lease,
        sum(CASE 'committed' WHEN credit THEN gpu_seconds WHEN debit THEN -gpu_seconds ELSE 0 END)::bigint AS committed,
        coalesce(sum(gpu_seconds) FILTER (WHERE kind = 'settle'), 0)::bigint AS charged,
        coalesce(sum(gpu_seconds) FILTER (WHERE kind = 'refund'), 0)::bigint AS refunded
    FROM ledger_entry WHERE lease = ANY(:leases) GROUP BY lease
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneLease:
    """`at` has its instants in Unix seconds, `gpu_seconds` what is known by kind: what nobody measured is neither busy nor idle."""

    lease: str
    company: str
    pool: str
    tier: str
    purpose: str
    state: str
    gpus: int
    at: Mapping[str, float]
    gpu_seconds: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leases:
    """Newest first. `left_out` are older ones that there was no room for."""

    shown: tuple[OneLease, ...]
    left_out: int


def read(session: Session, *, now: float) -> Leases:
    """As of the session's snapshot."""
    rows = session.connection().execute(_SHOWN, {"now": int(now), "told_s": TOLD_S, "most": MOST_LEASES}).all()
    had, posted = _had(session, rows, now), _posted(session, [row.id for row in rows])
    return Leases(
        shown=tuple(_one(row, {**had.get(row.id, {}), **posted.get(row.id, {})}) for row in rows),
        left_out=rows[0].found - len(rows) if rows else 0,
    )


def _one(row: Row[Any], gpu_seconds: Mapping[str, int]) -> OneLease:
    return OneLease(
        lease=row.id,
        company=row.company,
        pool=row.pool,
        tier=row.tier,
        purpose=row.purpose,
        state=row.state,
        gpus=row.total_gpus,
        at={name: at for name in _INSTANTS if (at := getattr(row, name)) is not None},
        gpu_seconds=gpu_seconds,
    )


def _had(session: Session, rows: Sequence[Row[Any]], now: float) -> dict[str, dict[str, int]]:
    """Of those that ran."""
    ran = [row for row in rows if row.started is not None]
    if not ran:
        return {}
    ends = days.midnights(now, programme.zone(session))[2]
    found = stretch(session, int(min(row.starts for row in ran)), ends, now=now).whole()
    values = {**found.values(now=now, company=None, pool=None), "leases": [row.id for row in ran]}
    return {row.lease: _kinds(row) for row in session.connection().execute(_HAD, values)}


def _kinds(row: Row[Any]) -> dict[str, int]:
    seen = {"busy": row.busy, "idle": row.idle} if row.busy or row.idle else {}
    return {"leased": row.leased, "lost": row.lost, **seen}


def _posted(session: Session, leases: Sequence[str]) -> dict[str, dict[str, int]]:
    """What the ledger has of them."""
    if not leases:
        return {}
    return {
        row.lease: {"committed": row.committed, "charged": row.charged, "refunded": row.refunded}
        for row in session.connection().execute(_POSTED, {"leases": list(leases)})
    }
