"""What each lease had and used on each day: written down for those that are counted, worked out for the others.

Leased and lost come from a lease's own instants and from what was lost to it while it ran, as the ledger settles it, with each
of its sizes for as long as it had it.
Busy and idle come from the agents' running totals, no more of them than each GPU was held; what is neither nobody saw.
A lease on one day is rounded to whole seconds, and everything else is added up from that: so all sums agree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import text
from sqlmodel import Session, func, select

from dure.wire import HORIZON_S
from scheduler import days
from scheduler.days import Day
from scheduler.store import programme
from scheduler.store.lost_gpus import LOST_TO_BOXES
from scheduler.store.tables import Pool

_FURTHEST_S = 2 * HORIZON_S
"""A lease starts within the horizon, and is no longer than that."""

_FOR_THEIR_OWN = text(
    "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('work_mem', '64MB', true)"
)
"""A plan for any days and any leases, which PostgreSQL makes once a query was sent a few times, takes a hundred times as
long. And a year's sums by company and day are put together in memory.
"""

_DAYS = """
    day AS (
        SELECT day, to_timestamp(begins_at) AS begins_at, to_timestamp(ends_at) AS ends_at,
               to_timestamp(greatest(begins_at, :since)) AS since, to_timestamp(least(ends_at, :until)) AS until,
               begins_at >= :since AND ends_at <= :until AS whole
        FROM unnest(CAST(:days AS date[]), CAST(:begins AS bigint[]), CAST(:ends AS bigint[])) AS d (day, begins_at, ends_at)
    ), cut AS MATERIALIZED (SELECT since, until FROM day WHERE NOT whole)
"""

_BOXES = """
    box AS (
        SELECT l.id, l.company, l.pool, l.counted_at IS NOT NULL AS counted, l.total_gpus, l.starts_at,
               coalesce(l.started_at, 'infinity') AS started_at, coalesce(l.resized_at, l.starts_at) AS sized_at,
               l.resized_at IS NOT NULL AS resized, s.stops_at
        FROM lease l
        -- One that never started stopped at its start, and lost its whole box.
        CROSS JOIN LATERAL (
            SELECT CASE WHEN l.state <> 'ended' THEN least(l.stops_at, to_timestamp(:now))
                        WHEN l.started_at IS NULL THEN l.ends_at ELSE l.stops_at END AS stops_at
        ) s
        WHERE l.state IN ('active', 'ending', 'ended') AND ({which})
          AND l.starts_at < to_timestamp(:until) AND s.stops_at > to_timestamp(:since)
          AND (CAST(:company AS text) IS NULL OR l.company = :company)
          AND (CAST(:pool AS text) IS NULL OR l.pool = :pool)
    ), size AS (
        SELECT id, counted, started_at, total_gpus AS gpus, sized_at AS since, stops_at AS until FROM box
        UNION ALL
        SELECT b.id, b.counted, b.started_at, s.gpus, s.since, least(s.until, b.stops_at)
        FROM box b JOIN lease_span s ON s.lease = b.id
        WHERE b.resized
    )
"""

_PARTS = """
    near AS MATERIALIZED (SELECT * FROM day WHERE until > (SELECT min(starts_at) FROM box)
    ), ran AS (
        SELECT s.id, d.day, sum(s.gpus * t.box_s)::bigint AS box, sum(s.gpus * t.had_s)::bigint AS had
        FROM size s JOIN near d ON d.since < s.until AND d.until > s.since AND NOT (s.counted AND d.whole)
        CROSS JOIN LATERAL (SELECT greatest(s.since, d.since) AS since, least(s.until, d.until) AS until) c
        CROSS JOIN LATERAL (
            SELECT greatest(extract(epoch FROM c.until - c.since), 0) AS box_s,
                   greatest(extract(epoch FROM c.until - least(greatest(c.since, s.started_at), c.until)), 0) AS had_s
        ) t
        GROUP BY s.id, d.day
    ), gone AS (
        SELECT s.id, d.day, sum(CASE WHEN x.whole THEN s.gpus ELSE 1 END * t.lost_s)::bigint AS gpu_seconds
        FROM lost x JOIN size s ON s.id = x.lease
        JOIN near d ON d.since < s.until AND d.until > s.since AND NOT (s.counted AND d.whole)
        CROSS JOIN LATERAL (
            SELECT greatest(0, extract(epoch FROM least(x.until, s.until, d.until)
                                                - greatest(x.since, s.since, d.since, s.started_at))) AS lost_s
        ) t
        GROUP BY s.id, d.day
    ), part AS (
        SELECT r.id, r.day, r.box, greatest(0, r.had - coalesce(g.gpu_seconds, 0)) AS had
        FROM ran r LEFT JOIN gone g ON g.id = r.id AND g.day = r.day
    ), held AS (
        SELECT a.id AS allocation, b.id, d.day, t.all_s - l.all_s AS all_s, l.all_s AS lost_s, greatest(0, t.had_s - l.had_s) AS had_s
        FROM box b JOIN allocation a ON a.lease = b.id AND NOT b.counted
        CROSS JOIN LATERAL (
            SELECT greatest(a.opened_at, b.started_at, b.starts_at) AS since,
                   least(a.ended_at, b.stops_at, to_timestamp(:now)) AS until
        ) h
        JOIN near d ON d.begins_at < h.until AND d.ends_at > h.since
        CROSS JOIN LATERAL (
            SELECT extract(epoch FROM least(h.until, d.ends_at) - greatest(h.since, d.begins_at)) AS all_s,
                   greatest(extract(epoch FROM least(h.until, d.until) - greatest(h.since, d.since)), 0) AS had_s
        ) t
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(greatest(0, extract(epoch FROM least(h.until, d.ends_at, x.until)
                                                             - greatest(h.since, d.begins_at, x.since)))), 0) AS all_s,
                   coalesce(sum(greatest(0, extract(epoch FROM least(h.until, d.until, x.until)
                                                             - greatest(h.since, d.since, x.since)))), 0) AS had_s
            FROM lost x WHERE x.lease = b.id AND (x.whole OR x.allocation = a.id)
        ) l
        WHERE t.all_s > l.all_s
    ), seen AS (
        SELECT h.id, h.day, h.all_s, h.had_s, s.sampled_ms, least(u.busy_ms * s.kept_ms / s.of_ms, s.sampled_ms) AS busy_ms,
               u.energy * s.kept_ms / s.of_ms AS energy, u.memory_ms * s.kept_ms / s.of_ms AS memory_ms,
               u.memory * s.kept_ms / s.of_ms AS memory
        FROM held h
        CROSS JOIN LATERAL (
            SELECT sum(sampled_ms) AS sampled_ms, sum(busy_ms) AS busy_ms, sum(energy_millijoules) AS energy,
                   sum(memory_ms) AS memory_ms, sum(memory_mebibyte_s) AS memory
            FROM allocation_use u WHERE u.allocation = h.allocation AND u.day = h.day
        ) u
        CROSS JOIN LATERAL (
            SELECT least(u.sampled_ms, h.all_s * 1000) AS sampled_ms, greatest(u.sampled_ms, 1) AS of_ms,
                   CASE WHEN h.lost_s > 0 THEN least(greatest(u.sampled_ms, 1), h.all_s * 1000) ELSE greatest(u.sampled_ms, 1) END AS kept_ms
        ) s
        WHERE u.sampled_ms IS NOT NULL
    ), used AS (
        SELECT id, day, sum(sampled_ms * had_s / all_s) AS sampled_ms, sum(busy_ms * had_s / all_s) AS busy_ms,
               sum(energy * had_s / all_s) AS energy, sum(memory_ms * had_s / all_s) AS memory_ms,
               sum(memory * had_s / all_s) AS memory
        FROM seen GROUP BY id, day
        UNION ALL
        -- Of one that is counted the totals are gone: a day of it that is cut counts in proportion.
        SELECT p.id, p.day, (k.busy + k.idle) * 1000 * p.had / k.leased, k.busy * 1000 * p.had / k.leased,
               k.energy_joules * 1000 * p.had / k.leased, k.memory_s * 1000 * p.had / k.leased,
               k.memory_mebibyte_s * p.had / k.leased
        FROM (SELECT id, day, had::numeric AS had FROM part) p
        JOIN box b ON b.id = p.id AND b.counted JOIN lease_day k ON k.lease = p.id AND k.day = p.day AND k.leased > 0
    )
"""
"""The totals of a day that is cut, or not over, count in proportion to how much of it each GPU was held. What was seen of a
GPU, or of a gang, while it was lost is left out in the same way: nobody had it.
"""

_WORKED_OUT = """
    SELECT b.id AS lease, b.company, b.pool, p.day, greatest(b.starts_at, to_timestamp(:since)) >= d.since AS is_first,
           p.had AS leased, p.box - p.had AS lost,
           floor(m.busy_ms / 1000)::bigint AS busy, floor((m.sampled_ms - m.busy_ms) / 1000)::bigint AS idle,
           floor(u.energy / 1000)::bigint AS energy_joules, coalesce(floor(u.memory_ms / 1000), 0)::bigint AS memory_s,
           coalesce(floor(u.memory), 0)::bigint AS memory_mebibyte_s
    FROM part p JOIN box b ON b.id = p.id JOIN day d ON d.day = p.day
    LEFT JOIN used u ON u.id = p.id AND u.day = p.day
    CROSS JOIN LATERAL (SELECT least(coalesce(u.sampled_ms, 0), p.had * 1000) AS sampled_ms) c
    CROSS JOIN LATERAL (SELECT c.sampled_ms, least(coalesce(u.busy_ms, 0), c.sampled_ms) AS busy_ms) m
    WHERE p.box > 0
"""

_WRITTEN = """
    SELECT k.lease, k.company, k.pool, k.day, k.is_first OR k.day = CAST(:first_day AS date) AS is_first,
           k.leased, k.lost, k.busy, k.idle, k.energy_joules, k.memory_s, k.memory_mebibyte_s
    FROM lease_day k
    WHERE k.day >= CAST(:first_whole AS date) AND k.day <= CAST(:last_whole AS date)
      AND (CAST(:company AS text) IS NULL OR k.company = :company) AND (CAST(:pool AS text) IS NULL OR k.pool = :pool)
"""


def _with(which: str, last: str) -> str:
    return f"WITH {_DAYS}, {_BOXES.format(which=which)}, {LOST_TO_BOXES}, {_PARTS}, lease_days AS ({last})"


WHOLE_DAYS = _with("l.counted_at IS NULL", f"{_WRITTEN} UNION ALL {_WORKED_OUT}")
"""Begins a query that reads `lease_days` over a stretch of whole days, with the parameters of `Stretch`.

Its columns are lease, company, pool, day, whether it is the lease's first in the stretch (is_first), and in GPU-seconds
leased, lost, busy and idle; energy_joules, which may be null; memory_s and memory_mebibyte_s.
"""

CUT_DAYS = _with(
    "l.counted_at IS NULL OR EXISTS (SELECT FROM cut d WHERE l.starts_at < d.until AND l.ends_at > d.since)",
    f"{_WRITTEN} UNION ALL {_WORKED_OUT}",
)
"""The same over any stretch: of counted leases what is on days that are cut is worked out too."""

_SOME = "= ANY(CAST(:leases AS text[]))"

WHOLE_DAYS_OF_SOME = _with(
    f"l.counted_at IS NULL AND l.id {_SOME}", f"{_WRITTEN} AND k.lease {_SOME} UNION ALL {_WORKED_OUT}"
)
"""The same over whole days, of `:leases` alone."""

UNWRITTEN_DAYS = _with("l.counted_at IS NULL", _WORKED_OUT)
"""The same of leases that are not counted: those that run, and those that were over just now."""

UNWRITTEN_DAYS_OF_SOME = _with(f"l.counted_at IS NULL AND l.id {_SOME}", _WORKED_OUT)
"""The same of those of `:leases` that are not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """`[since, until)`, in Unix seconds, and those days that it meets on which there can be leases."""

    since: int
    until: int
    days: Sequence[Day]

    def whole(self) -> "Stretch":
        """All of the days that it meets."""
        if not self.days:
            return self
        return replace(self, since=self.days[0].begins_at, until=self.days[-1].ends_at)

    @property
    def cut(self) -> bool:
        """Whether it has a part of a day."""
        return any(day.begins_at < self.since or day.ends_at > self.until for day in self.days)

    def values(self, *, now: float, company: str | None, pool: str | None) -> Mapping[str, object]:
        """The parameters of a query; of a company and a pool alone where they are said."""
        whole = [day.day for day in self.days if self.since <= day.begins_at and day.ends_at <= self.until]
        return {
            # Said and not looked up, so that it is planned for as many days as there are.
            "first_day": min((day.day for day in self.days), default=None),
            "first_whole": min(whole, default=None),
            "last_whole": max(whole, default=None),
            "since": self.since,
            "until": self.until,
            "days": [day.day for day in self.days],
            "begins": [day.begins_at for day in self.days],
            "ends": [day.ends_at for day in self.days],
            "now": int(now),
            "company": company,
            "pool": pool,
        }


def stretch(session: Session, since: int, until: int, *, now: float) -> Stretch:
    """By the programme's days. No lease is older than the first pool, or reaches further than the calendar.

    From then on the transaction's queries are planned for their own days and leases.
    """
    session.connection().execute(_FOR_THEIR_OWN)
    first = session.exec(select(func.min(Pool.created_at))).one()
    begin, end = max(since, int(now) if first is None else first), min(until, int(now) + _FURTHEST_S)
    return Stretch(since=since, until=until, days=days.meeting(begin, end, programme.zone(session)))
