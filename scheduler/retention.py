"""What is kept for how long, why, and how it goes: one table, which the jobs, the docs and the tests read."""

from dataclasses import dataclass
from typing import Literal

from scheduler.store import (
    counting,
    deliveries,
    enforced,
    idempotency,
    node_events,
    offers,
    violation_counts,
)

DAY_S = 86_400

How = Literal["stays", "part", "delete", "with its row"]
"""Nothing removes it; a month goes whole; rows are deleted; what it belongs to takes it along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One table. `kept_s` after the instant in `by`, and None for ever; `grows` with what, and `why` it is kept so long."""

    table: str
    grows: str
    why: str
    kept_s: int | None = None
    by: str = ""
    how: How = "stays"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """What an operator may set, in seconds; decisions go with the logs that make them again."""

    decisions_s: int | None = None
    node_events_s: int = node_events.KEPT_S

    def of(self, parent: str) -> int | None:
        """For a table in parts; None: for ever."""
        return self.node_events_s if parent == "node_event" else self.decisions_s


FOR_EVER = Keep()
"""As it is where nothing is set."""


def keep(decisions_days: int | None, node_events_days: int) -> Keep:
    """What is set, in days."""
    decisions_s = None if decisions_days is None else decisions_days * DAY_S
    return Keep(decisions_s=decisions_s, node_events_s=node_events_days * DAY_S)


def _stays(table: str, grows: str, why: str) -> Kept:
    return Kept(table=table, grows=grows, why=why)


TABLES = (
    # What was promised, had and paid, for ever.
    _stays("lease", "asks", "who got what and when"),
    _stays("placement", "leases", "where it was"),
    _stays("lease_span", "resizes", "which sizes a lease had"),
    _stays("allocation", "leases' GPUs", "which GPU it was"),
    _stays("allocation_loss", "lost GPUs", "what is refunded"),
    _stays("attendance", "leases of pools that give back", "why one was given back"),
    _stays("lease_day", "leases' days", "every report; nothing else has the seconds of leases that are counted"),
    _stays("ledger_entry", "leases", "every account adds up from its first entry"),
    _stays("account", "companies and periods", "the ledger"),
    _stays("lease_event", "leases", "a lease's steps, and the order in which they are told"),
    _stays("audit", "changes by people and programs", "who did it"),
    _stays("policy_version", "changes of policy", "which rules held"),
    _stays("use_total", "companies and pools", "what metrics tell, which no scrape could add up from all leases"),
    _stays("leases_over", "leases, folded every 10 minutes", "how many there ever were, for the same reason"),
    # What explains it and makes it again: for ever, or as long as is set.
    Kept(
        table="decision",
        grows="asks and plans that moved something",
        why="why it was so, and making it again",
        by="id, which begins with its time",
        how="part",
    ),
    Kept(
        table="pool_change",
        grows="steps of leases; minutes where shares count",
        why="making it again",
        by="at",
        how="part",
    ),
    Kept(table="pool_book", grows="every 20,000 rows of a log", why="making it again quickly", by="at", how="part"),
    # What is told, and for a while.
    Kept(
        table="node_event",
        grows="ends of leases and faults of GPUs",
        why="warranty and complaints",
        kept_s=node_events.KEPT_S,
        by="told_at",
        how="part",
    ),
    Kept(
        table="allocation_use",
        grows="leases' GPUs and days",
        why="until its lease is counted, day by day, and five weeks for who doubts it",
        kept_s=counting.KEPT_S,
        by="the lease's counted_at",
        how="delete",
    ),
    Kept(
        table="allocation_seen",
        grows="leases that are looked at for idleness",
        why="until its lease is counted",
        kept_s=0,
        by="the lease's counted_at",
        how="delete",
    ),
    Kept(
        table="violation",
        grows="violations",
        why="as node_event",
        kept_s=violation_counts.KEPT_S,
        by="ended_at",
        how="delete",
    ),
    Kept(
        table="webhook_delivery",
        grows="events of companies with webhooks",
        why="who was told; the event itself stays",
        kept_s=deliveries.KEPT_S,
        by="last_at",
        how="delete",
    ),
    Kept(table="pod", grows="pods", why="why one did not run", kept_s=enforced.KEPT_S, by="ended_at", how="delete"),
    Kept(table="pod_log", grows="pods", why="its last lines", kept_s=enforced.KEPT_S, by="its pod", how="with its row"),
    Kept(
        table="idempotent_answer",
        grows="changes by API",
        why="as long as a client may ask again",
        kept_s=idempotency.KEPT_S,
        by="created_at",
        how="delete",
    ),
    Kept(
        table="offer",
        grows="searches",
        why="a day after it could be claimed",
        kept_s=offers.KEPT_S,
        by="expires_at",
        how="delete",
    ),
    # What there is, one row a thing.
    *(
        _stays(table, "things there are", "it is what there is now")
        for table in (
            "cluster",
            "company",
            "default_quota",
            "drain",
            "gpu",
            "leader",
            "ledger_verified",
            "node",
            "node_holders",
            "pool",
            "pool_node",
            "process",
            "quota",
            "receiving",
            "schema_fit",
            "server_life",
            "promise_count",
            "share",
            "share_group",
            "token",
            "violation_count",
            "webhook",
            "webhook_cursor",
        )
    ),
)
"""Every table."""
