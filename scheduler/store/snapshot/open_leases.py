"""The leases that are not over, as queries read them: each of the three ways to be open by its own index."""

from scheduler.store.leases import BOOKED_BY_INDEX

_COLUMNS = "id, company, pool, tier, purpose, state, total_gpus, asked_at, promised_start, starts_at, started_at, stops_at, ended_at"

_OPEN = " UNION ALL ".join(
    f"SELECT {_COLUMNS} FROM lease WHERE {states}" for states in ("state = 'queued'", *BOOKED_BY_INDEX)
)

OPEN = f"open_lease AS MATERIALIZED ({_OPEN})"
"""Begins a query that reads `open_lease`: of queued, scheduled, active and ending ones what metrics tell."""

OPEN_OR_JUST_OVER = f"""
    open_lease AS MATERIALIZED (
        {_OPEN}
        UNION ALL SELECT {_COLUMNS} FROM lease
        WHERE state = 'ended' AND pool = ANY(SELECT name FROM pool)
            AND stops_at > to_timestamp(:now) - interval '1 day' AND ended_at > to_timestamp(:now) - :told_s * interval '1 second'
    )
"""
"""The same with those that ended in the last `:told_s` seconds."""
