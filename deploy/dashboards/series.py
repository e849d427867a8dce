"""Series that the leading scheduler reads from the database or its clusters at every scrape, and the labels of each.

They are of the whole of Dure, whoever tells them. Prometheus adds job, instance and pod of who led, so after a change of who leads the same
may be there twice until the older is stale: nothing may add or join such series as they are.
"""

from collections.abc import Mapping

PAIR = ("company", "pool")
CLUSTER = ("cluster",)

STATE: Mapping[str, tuple[str, ...]] = {
    "dure_gpus": ("pool", "state"),
    "dure_nodes": ("pool", "state"),
    "dure_gpus_unproved": ("pool",),
    "dure_node_report_age_seconds": ("node",),
    "dure_pools_unserved": ("pool", "cluster"),
    "dure_violations": ("pool", "kind"),
    "dure_leases": ("pool", "state"),
    "dure_leases_overdue": ("pool",),
    "dure_leases_degraded": ("pool",),
    "dure_gpus_due": ("pool", "edge", "within"),
    "dure_edge_next_timestamp_seconds": ("pool", "edge"),
    "dure_promise_slack_seconds": ("pool",),
    "dure_queue_gpus": ("pool",),
    "dure_queue_asks": ("pool",),
    "dure_queue_oldest_age_seconds": ("pool",),
    "dure_company_gpus": (*PAIR, "state"),
    "dure_quota_gpus": PAIR,
    "dure_share_entitled_ratio": PAIR,
    "dure_share_used_ratio": PAIR,
    "dure_ledger_committed_gpu_seconds": PAIR,
    "dure_budget_gpu_seconds": PAIR,
    "dure_budget_left_gpu_seconds": PAIR,
    "dure_budget_period_end_timestamp_seconds": PAIR,
    "dure_lease_info": ("lease", "company", "pool", "tier", "purpose", "state"),
    "dure_lease_gpus": ("lease",),
    "dure_lease_timestamp_seconds": ("lease", "at"),
    "dure_lease_receipt_gpu_seconds": ("lease", "kind"),
    "dure_database_connections": ("state",),
    "dure_database_size_bytes": (),
    "dure_table_size_bytes": ("table",),
    "dure_backup_last_timestamp_seconds": (),
    "dure_ledger_faults": (),
    "dure_ledger_verified_timestamp_seconds": (),
    "dure_webhook_unsent_age_seconds": (),
    "dure_cluster_up": CLUSTER,
    "dure_cluster_alarms": CLUSTER,
    "dure_kube_undone": CLUSTER,
    "dure_kube_undone_age_seconds": CLUSTER,
    "dure_kube_pods_waiting": (*CLUSTER, "code"),
    "dure_kube_pods_placed": CLUSTER,
    "dure_kube_companies_troubled": CLUSTER,
    "dure_kube_pods_unexplained": CLUSTER,
    "dure_certificate_expiry_timestamp_seconds": ("certificate",),
}
"""Gauges."""

TOTALS: Mapping[str, tuple[str, ...]] = {
    "dure_promises_due_total": ("pool",),
    "dure_promises_broken_total": ("pool",),
    "dure_promises_slipped_total": ("pool", "cause"),
    "dure_leases_moved_total": ("pool", "cause"),
    "dure_leases_never_started_total": ("pool",),
    "dure_lease_gpu_seconds_total": (*PAIR, "kind"),
    "dure_lease_energy_joules_total": PAIR,
}
"""Counters that no process counts: who leads reads all that ever was."""


def state(metric: str, matching: str = "", *, least: bool = False) -> str:
    """A gauge of `STATE` once for each set of its own labels, whoever told it; the least of several where that is the careful answer."""
    return _once("min" if least else "max", STATE[metric], _selected(metric, matching))


def told_at(metric: str, matching: str = "") -> str:
    """The same, but when it was told, in Unix seconds."""
    return _once("max", STATE[metric], f"timestamp({_selected(metric, matching)})")


def pace(total: str, matching: str = "") -> str:
    """How much a counter of `TOTALS` rises a second. While one leader follows another both tell of the same rise, and one of them counts."""
    return _once("max", TOTALS[total], f"rate({_selected(total, matching)}[$__rate_interval])")


def rise(total: str, matching: str = "") -> str:
    """How much a counter of `TOTALS` rose in the time that is looked at, whoever told it.

    It begins anew with no process, and a new leader may begin a little lower (what the last one would not let fall): no reset, after which
    all that ever was would be counted again, as `increase` does.
    """
    once = _once("max", TOTALS[total], _selected(total, matching))
    return f"clamp_min(delta({once}[$__range:$__interval]), 0)"


def counted(counter: str, matching: str = "") -> str:
    """How much a counter that each process counts by itself rose in the time that is looked at.

    Those without a series until there is something to count begin at more than 0: of what was not there at first, all counts.
    """
    series = _selected(counter, matching)
    return f"((max_over_time({series}[$__range]) unless {series} offset $__range) or increase({series}[$__range]))"


def _once(which: str, labels: tuple[str, ...], expression: str) -> str:
    return f"{which} by ({', '.join(labels)}) ({expression})" if labels else f"{which}({expression})"


def _selected(metric: str, matching: str) -> str:
    return f"{metric}{{{matching}}}" if matching else metric
