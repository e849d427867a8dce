"""What the running processes expose is what their tables say, by name, kind and labels, also once the one that leads is another."""

from collections.abc import Sequence
from functools import partial

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from agents.metrics import series as agents
from api import series as api
from docs.made.sizes import Metric as Row
from dure import wire
from dure.client import Client
from scheduler.metrics import table as scheduler
from tests.acceptance.stack import Stack

pytestmark = pytest.mark.timeout(600)

POOL = "h100-80gb"
ACME = {"company": "acme", "pool": POOL}


def scraped(url: str) -> dict[str, Metric]:
    page = httpx.get(url, trust_env=False, timeout=30).text
    return {
        found.name: found for found in text_string_to_metric_families(page) if not found.name.startswith("process_")
    }


def of_the_table(found: dict[str, Metric], rows: Sequence[Row]) -> None:
    known = {row.name.removesuffix("_total"): row for row in rows if row.kind == "counter"}
    known |= {row.name: row for row in rows if row.kind != "counter" and row.name not in known}
    assert set(found) <= set(known), "it is in the table of its process"
    for name, metric in found.items():
        # A counter and a gauge of one name without their ends are one family to this parser: of single leases, and of all.
        both = [row for row in rows if row.name.removesuffix("_total") == name]
        assert {frozenset(one.labels) - {"le"} for one in metric.samples} <= {frozenset(row.labels) for row in both}
        assert metric.type in {row.kind for row in both}


def value(stack: Stack, name: str, labels: dict[str, str]) -> float | None:
    page = httpx.get(stack.metrics["scheduler"], trust_env=False, timeout=30).text
    samples = (one for family in text_string_to_metric_families(page) for one in family.samples)
    return next((one.value for one in samples if one.name == name and one.labels == labels), None)


def ended(stack: Stack, acme: Client, name: str) -> wire.Lease:
    """A lease that ran for a few seconds, with its receipt."""
    lease = acme.ask(wire.Ask(pool=POOL, shape=wire.Shape(gpus=1), duration_s=10, notice_s=0, name=name))
    stack.until(lambda: acme.lease(lease.id).state == wire.LeaseState.ENDED, f"{name} is over")
    return acme.lease(lease.id)


def test_every_process_exposes_what_its_table_says(running: Stack) -> None:
    with running.client() as admin:
        admin.add_pool(wire.PoolCreate(name=POOL, product="NVIDIA H100 80GB HBM3", gap_s=2, grace_s=1))
        admin.add_company(wire.CompanyCreate(name="acme"))
        admin.set_quota("acme", POOL, wire.QuotaSet(gpus=8))
        secret = admin.issue_token(wire.TokenIssue(role=wire.Role.COMPANY, company="acme")).secret
        running.until(lambda: admin.pool(POOL).gpus.get(wire.GpuState.FREE) == 8, "all GPUs are free")
    with running.client(secret) as acme:
        first = ended(running, acme, "first")
        assert first.stops_at is not None
        assert first.starts_at is not None
        assert first.started_at is not None
        had_s = (first.stops_at - max(first.started_at, first.starts_at)).total_seconds()
        assert had_s > 0
        told = {"lease": first.id, "kind": "charged"}
        running.until(lambda: value(running, "dure_lease_receipt_gpu_seconds", told) == had_s, "its receipt is told")
        running.until(lambda: value(running, "dure_ledger_faults", {}) == 0, "the ledger was verified")
        leased = {**ACME, "kind": "leased"}
        running.until(lambda: value(running, "dure_lease_gpu_seconds_total", leased) == had_s, "it is in the sum")
        of_the_table(scraped(running.metrics["scheduler"]), scheduler.TABLE)
        of_the_table(scraped(running.metrics["api"]), api.TABLE)
        of_the_table(scraped(running.agent_metrics[0]), agents.TABLE)

        assert value(running, "dure_promises_due_total", {"pool": POOL}) == 1
        running.until_again("scheduler", not_pid=running.kill("scheduler"))
        promised = partial(value, running, "dure_promises_due_total", {"pool": POOL})
        running.until(lambda: promised() is not None, "it leads")
        assert value(running, "dure_lease_start_lateness_seconds_count", {"pool": POOL}) is None, (
            "counted from its start"
        )
        assert promised() == 1, "read, and no less"
        assert value(running, "dure_lease_gpu_seconds_total", leased) == had_s, "read, and no less"
        ended(running, acme, "second")
        running.until(lambda: promised() == 2, "it is counted on")
