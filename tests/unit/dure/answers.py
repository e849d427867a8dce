"""Wire values with defaults, and an API that answers what a test tells it to, without a socket."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from typing import Any

import httpx
from pydantic import BaseModel

from dure import wire

NOW = datetime(2026, 11, 24, 0, 48, 44, tzinfo=UTC)
"""Tuesday 09:48:44 in Seoul."""

SERVER = "http://api.test:8470"
TOKEN = "dure_secret"

Reply = BaseModel | httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class Api(httpx.BaseTransport):
    """Answers each route with its replies in turn, the last one for ever, and keeps what it was asked."""

    def __init__(self) -> None:
        self.replies: dict[tuple[str, str], list[Reply]] = {}
        self.seen: list[httpx.Request] = []
        self.slept: list[float] = []

    def on(self, method: str, path: str, *replies: Reply) -> "Api":
        self.replies[method, path] = list(replies)
        return self

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.seen.append(request)
        replies = self.replies.get((request.method, request.url.raw_path.decode().partition("?")[0]), [])
        if not replies:
            return problem("not_found", 404, f"no test told what {request.method} {request.url} answers")
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        match reply:
            case Exception():
                raise reply
            case BaseModel():
                return answer(reply)
            case httpx.Response():
                # A copy: a test may give the same answer more than once.
                return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)
            case _:
                return reply(request)


def answer(value: BaseModel, status: int = 200) -> httpx.Response:
    content = value.model_dump_json().encode()
    return httpx.Response(status, content=content, headers={"content-type": "application/json"})


def problem(code: str, status: int, detail: str = "It is so.", **more: Any) -> httpx.Response:
    headers = {"content-type": "application/problem+json", **more.pop("headers", {})}
    found = wire.Problem(type=f"/v1/problems/{code}", title="T", status=status, detail=detail, code=code, **more)
    return httpx.Response(status, content=found.model_dump_json().encode(), headers=headers)


def page(*items: Any, next_cursor: str | None = None) -> BaseModel:
    return wire.Page[Any](items=list(items), next_cursor=next_cursor)


def in_s(seconds: int) -> datetime:
    return NOW + timedelta(seconds=seconds)


def a_decision(code: str = "starts_now", outcome: str = "scheduled", **more: Any) -> wire.Decision:
    return wire.Decision(
        **{
            "id": "dec_1",
            "at": NOW,
            "outcome": wire.Outcome(outcome),
            "code": code,
            "detail": "16 GPUs start now.",
            "numbers": {"asked_gpus": 16, "wait_s": 0},
            "policy_version": "1",
            **more,
        }
    )


def a_lease(state: str = "scheduled", **more: Any) -> wire.Lease:
    """Of 2x8 GPUs for 2 hours; scheduled from now on unless `more` says otherwise."""
    planned = state not in ("queued", "refused")
    started = state in ("active", "ending", "ended")
    return wire.Lease(
        **{
            "id": "lea_06eqz8n1hg7k2m9v4r3t",
            "company": "acme",
            "pool": "h100-80gb",
            "name": "llm-3",
            "shape": wire.Shape(nodes=2, gpus_per_node=8),
            "duration_s": 7200,
            "tier": "reserved",
            "purpose": "training",
            "notice_s": 900,
            "state": wire.LeaseState(state),
            "asked_at": NOW,
            "start": None,
            "start_by": None,
            "promised_start": NOW if planned else None,
            "starts_at": NOW if planned else None,
            "ends_at": in_s(7200) if planned else None,
            "stops_at": in_s(7200) if planned else None,
            "started_at": NOW if started else None,
            "ended_at": in_s(7200) if state == "ended" else None,
            "end_cause": wire.EndCause.EXPIRED if state == "ended" else None,
            "late_start_s": 0 if started else None,
            "late_cause": None,
            "placement": [wire.NodeShare(node=f"gpu-0{n}", gpus=8) for n in (1, 2)] if planned else [],
            "gpus": [],
            "decision": a_decision(),
            **more,
        }
    )


def a_pool(name: str = "h100-80gb", **more: Any) -> wire.Pool:
    return wire.Pool(
        **{
            "name": name,
            "product": "NVIDIA H100 80GB HBM3",
            "gap_s": 30,
            "grace_s": 30,
            "empty_memory_bytes": 1 << 30,
            "rule": "late-slots",
            "slack_ppm": 50_000,
            "reserve_ppm": 0,
            "reserve_over_s": 0,
            "seniority_s": None,
            "created_at": NOW,
            "generation": 3,
            "nodes": 2,
            "gpus": {wire.GpuState.FREE: 7, wire.GpuState.LEASED: 8, wire.GpuState.UNHEALTHY: 1},
            "queued": 2,
            **more,
        }
    )


def a_policy(version: int = 7, **pools: wire.PoolPolicy) -> wire.Policy:
    """Of one pool, h100, unless others are said."""
    return wire.Policy(
        version=version,
        at=NOW,
        actor="admin:tok_1",
        reason="for June",
        programme=wire.ProgrammePolicy(zone="Asia/Seoul"),
        pools=pools or {"h100": wire.PoolPolicy()},
    )


def an_applied_policy(version: int = 8, **more: Any) -> wire.PolicyApplied:
    change = wire.PolicyDifference(where="pools.h100.slack_ppm", before=50_000, after=125_000)
    return wire.PolicyApplied(
        **{"version": version, "already": False, "changes": [change], "moved": [], "pulled": [], **more}
    )


def a_calendar(**more: Any) -> wire.Calendar:
    """Two nodes of 8 over 24 hours: the first taken for 6 hours, the second by half from 12 hours on."""
    first = [wire.FreeStep(at=NOW, free=0), wire.FreeStep(at=in_s(6 * 3600), free=8)]
    second = [wire.FreeStep(at=NOW, free=8), wire.FreeStep(at=in_s(12 * 3600), free=4)]
    return wire.Calendar(
        **{
            "pool": "h100-80gb",
            "since": NOW,
            "until": in_s(86_400),
            "capacity": 16,
            "nodes": [a_node_calendar("gpu-01", first), a_node_calendar("gpu-02", second)],
            "bookings": [
                a_booking("active", 0, 6 * 3600, lease="lea_1", company="acme", gpus=8),
                a_booking("scheduled", 12 * 3600, 30 * 3600, gpus=4),
            ],
            **more,
        }
    )


def a_node_calendar(node: str, steps: list[wire.FreeStep], state: str = "ok", capacity: int = 8) -> wire.NodeCalendar:
    return wire.NodeCalendar(node=node, state=wire.NodeState(state), capacity=capacity, steps=steps)


def a_booking(state: str, start_s: int, end_s: int, **more: Any) -> wire.Booking:
    return wire.Booking(
        **{
            "lease": None,
            "company": None,
            "state": wire.LeaseState(state),
            "starts_at": in_s(start_s),
            "ends_at": in_s(end_s),
            "blocks_until": in_s(end_s + 30),
            "gpus": 4,
            **more,
        }
    )


CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def a_kube_access(lease: str | None = "lea_06eqz8n1hg7k2m9v4r3t", **more: Any) -> wire.KubeAccess:
    return wire.KubeAccess(
        **{
            "cluster": "main",
            "server": "https://k8s.test:6443",
            "certificate_authority": CA,
            "namespace": "dure-co-acme",
            "company": "acme",
            "lease": lease,
            **more,
        }
    )


def a_kube_token(**more: Any) -> wire.KubeToken:
    return wire.KubeToken(**{"token": "eyJ.e30.c2ln", "expires_at": in_s(600), **more})


def a_pod(name: str = "train-0", **more: Any) -> wire.Pod:
    return wire.Pod(
        **{
            "uid": f"uid-{name}",
            "cluster": "main",
            "company": "acme",
            "namespace": "dure-co-acme",
            "name": name,
            "lease": None,
            "gpus": 8,
            "node": None,
            "phase": "Pending",
            "waits": None,
            "detail": None,
            "seen_at": NOW,
            "ended_at": None,
            "exit_code": None,
            "reason": None,
            **more,
        }
    )


def a_pod_log(pod: str = "train-0", **more: Any) -> wire.PodLog:
    return wire.PodLog(
        **{
            "pod": pod,
            "node": "gpu-01",
            "ended_at": in_s(-60),
            "exit_code": 1,
            "reason": "Error",
            "containers": [{"container": "main", "log": "step 7\nCUDA out of memory\n"}],
            **more,
        }
    )


def a_cluster(name: str = "main", **more: Any) -> wire.Cluster:
    said = {"state": "ok", "version": "v1.37.2", "heard_at": NOW, "trouble": None, "pools": ["h100-80gb"]}
    return wire.Cluster(**{"name": name, **said, **more})


def a_node(name: str = "gpu-01", **more: Any) -> wire.Node:
    return wire.Node(
        **{
            "name": name,
            "state": wire.NodeState.OK,
            "enrolled_at": NOW,
            "last_report_at": NOW,
            "silent_s": 4,
            "clock_offset_s": -3,
            "agent_version": "0.1.0",
            "driver_version": "560.35",
            "gpus": [a_gpu(0), a_gpu(1, state=wire.GpuState.LEASED, lease="lea_1")],
            **more,
        }
    )


def a_kept_event(number: int = 1, **more: Any) -> wire.KeptEvent:
    said = {"at": NOW, "boot": "b1", "kind": "xid", "gpu": "GPU-00000000", "detail": {"xid": 79, "said_by": None}}
    return wire.KeptEvent(**{"id": number, **said, **more})


def a_gpu(index: int, **more: Any) -> wire.Gpu:
    return wire.Gpu(
        **{
            "uuid": f"GPU-0000000{index}",
            "index": index,
            "product": "NVIDIA H100 80GB HBM3",
            "pool": "h100-80gb",
            "state": wire.GpuState.FREE,
            "lease": None,
            "memory_total_bytes": 80 << 30,
            "memory_used_bytes": 1 << 29,
            "utilization_percent": 0,
            "power_milliwatts": 71_400,
            "temperature_celsius": 31,
            "processes": None,
            "health": "ok",
            **more,
        }
    )


def a_company(name: str = "acme", title: str | None = "Acme Robotics", **more: Any) -> wire.Company:
    return wire.Company(**{"name": name, "title": title, "created_at": NOW, **more})


def a_quota(pool: str = "h100-80gb", gpus: int = 16, **more: Any) -> wire.Quota:
    return wire.Quota(
        **{
            "company": "acme",
            "pool": pool,
            "gpus": gpus,
            "of_default": False,
            "held_gpus": 8,
            "booked_gpus": 12,
            "booked_ahead_gpu_seconds": 14_400,
            "open": 1,
            "periods": [],
            "beyond": [],
            **more,
        }
    )


def a_budget(gpu_seconds: int = 7_200_000, period: str = "month", **more: Any) -> wire.Budget:
    """2,000 GPU-hours a month, unless others are said."""
    return wire.Budget(**{"gpu_seconds": gpu_seconds, "period": period, **more})


def a_period(gpu_seconds: int = 7_200_000, spent: int = 3600, booked: int = 7200, **more: Any) -> wire.BudgetStanding:
    """November in Seoul."""
    return wire.BudgetStanding(
        **{
            "begins_at": datetime(2026, 10, 31, 15, tzinfo=UTC),
            "ends_at": datetime(2026, 11, 30, 15, tzinfo=UTC),
            "gpu_seconds": gpu_seconds,
            "spent_gpu_seconds": spent,
            "booked_gpu_seconds": booked,
            "left_gpu_seconds": gpu_seconds - spent - booked,
            **more,
        }
    )


def a_beyond(lease: str = "lea_06eqz8n1hg7k2m9v4r3t", limit: str = "gpus", **more: Any) -> wire.Beyond:
    return wire.Beyond(
        **{"lease": lease, "starts_at": in_s(3600), "ends_at": in_s(7200), "gpus": 8, "limit": limit, **more}
    )


def an_import(*changes: wire.QuotaChange, same: int = 0, revoked: Sequence[str] = ()) -> wire.QuotaImported:
    return wire.QuotaImported(changes=list(changes), same=same, revoked=list(revoked))


def a_change(company: str | None = "acme", pool: str = "h100-80gb", **more: Any) -> wire.QuotaChange:
    """From 16 GPUs to 8."""
    before, after = wire.QuotaSet(gpus=16), wire.QuotaSet(gpus=8)
    return wire.QuotaChange(
        **{"company": company, "pool": pool, "before": before, "after": after, "beyond": [], **more}
    )


def an_audit_entry(number: int = 7, **more: Any) -> wire.AuditEntry:
    return wire.AuditEntry(
        **{
            "id": f"aud_{number}",
            "at": NOW,
            "actor": "admin:tok_1",
            "action": "quota.set",
            "subject": "acme/h100-80gb",
            "reason": None,
            "before": {"gpus": 16},
            "after": {"gpus": 3},
            "request_id": "req_1",
            **more,
        }
    )


def a_balance(**more: int) -> wire.LedgerBalances:
    amounts = {"granted": 800, "available": 0, "committed": 800, "spent": 0, "expired": 0} | more
    return wire.LedgerBalances(**{f"{name}_gpu_seconds": amount for name, amount in amounts.items()})


def a_ledger_entry(number: int = 1, **more: Any) -> wire.LedgerEntry:
    return wire.LedgerEntry(
        **{
            "company": "acme",
            "pool": "h100-80gb",
            "period": None,
            "number": number,
            "at": NOW,
            "kind": "commit",
            "debit": "source",
            "credit": "committed",
            "gpu_seconds": 800,
            "lease": "lea_1",
            "cause": "promised",
            "actor": None,
            "reason": None,
            "after": a_balance(),
            **more,
        }
    )


def a_token(**more: Any) -> wire.Token:
    return wire.Token(
        **{
            "id": "tok_1",
            "role": wire.Role.COMPANY,
            "company": "acme",
            "node": None,
            "label": "laptop",
            "created_at": NOW,
            "expires_at": None,
            "revoked_at": None,
            **more,
        }
    )


def an_issued_token(**more: Any) -> wire.IssuedToken:
    return wire.IssuedToken(token=a_token(**more), secret="dure_new_secret")


def an_event_told(number: int = 1207, type: str = "lease.active", **more: Any) -> wire.Event:
    data = wire.EventData(
        **{
            "state": wire.LeaseState.ACTIVE,
            "cause": "started",
            "promised_start": NOW,
            "starts_at": NOW,
            "stops_at": in_s(7200),
            "detail": {"late_ms": 0, "late_cause": None},
            **more.pop("data", {}),
        }
    )
    return wire.Event(
        **{
            "id": f"evt_{number}",
            "type": type,
            "at": NOW,
            "company": "acme",
            "pool": "h100-80gb",
            "lease": "lea_06eqz8n1hg7k2m9v4r3t",
            "data": data,
            **more,
        }
    )


def a_stream(*events: wire.Event, last: str | None = None) -> httpx.Response:
    """What the server sends until it breaks off; `last` is the id that it begins with."""
    begin = "" if last is None else f"id: {last}\n"
    told = [f"event: {one.type}\ndata: {one.model_dump_json()}\nid: {one.id}\n\n" for one in events]
    content = f": events\n{begin}retry: 2000\n\n{''.join(told)}: ping\n\n".encode()
    return httpx.Response(200, content=content, headers={"content-type": "text/event-stream; charset=utf-8"})


def a_webhook(**more: Any) -> wire.Webhook:
    return wire.Webhook(
        **{
            "id": "whk_1",
            "company": "acme",
            "url": "https://hooks.acme.example/dure",
            "label": "on-call",
            "state": wire.WebhookState.ACTIVE,
            "created_at": NOW,
            "pending": 0,
            "failing_since": None,
            "retry_at": None,
            "disabled_at": None,
            "disabled_reason": None,
            **more,
        }
    )


def an_issued_webhook() -> wire.IssuedWebhook:
    return wire.IssuedWebhook(webhook=a_webhook(), secret="whsec_c2VjcmV0")


def a_webhook_test(**more: Any) -> wire.WebhookTest:
    return wire.WebhookTest(
        **{"webhook": "whk_1", "id": "tst_1", "ok": True, "status": 204, "error": None, "duration_ms": 84, **more}
    )


def a_delivery(**more: Any) -> wire.Delivery:
    return wire.Delivery(
        **{
            "event": "evt_1207",
            "type": "lease.active",
            "lease": "lea_1",
            "at": NOW,
            "state": wire.DeliveryState.DELIVERED,
            "attempts": 1,
            "next_at": None,
            "last_at": NOW,
            "last_status": 204,
            "last_error": None,
            **more,
        }
    )


def a_usage() -> wire.Usage:
    def row(company: str, leased: int, busy: int, energy: int | None) -> wire.CompanyUsage:
        return wire.CompanyUsage(
            company=company,
            pool="h100-80gb",
            leases=2,
            leased_gpu_seconds=leased,
            lost_gpu_seconds=5,
            busy_gpu_seconds=busy,
            idle_gpu_seconds=0 if energy is None else leased - busy - 20,
            unknown_gpu_seconds=leased - busy if energy is None else 20,
            energy_joules=energy,
        )

    return wire.Usage(
        since=in_s(-86_400), until=NOW, rows=[row("acme", 7200, 3600, 7_200_000), row("beta", 1, 0, None)]
    )


def a_report(*by: wire.ReportCut, more: str | None = None) -> wire.UsageReport:
    """Two days of one lease, or its only row, and the total."""

    def numbers(leased: int, busy: int, unknown: int) -> dict[str, Any]:
        return {
            "leases": 1,
            "leased_gpu_seconds": leased,
            "busy_gpu_seconds": busy,
            "idle_gpu_seconds": leased - busy - unknown,
            "unknown_gpu_seconds": unknown,
            "lost_gpu_seconds": 0,
            "energy_joules": None if unknown == leased else 7_200_000,
            "utilization_ppm": None if unknown == leased else busy * 1_000_000 // (leased - unknown),
            "memory_bytes": None if unknown == leased else 40 << 30,
        }

    parts = [("23", 3600, 1800, 0), ("24", 7200, 0, 7200)] if "day" in by else [("", 10_800, 1800, 7200)]
    keys = {"lease": "lea_1", "company": "acme", "pool": "h100-80gb"}
    of = {name: value if name in by or "lease" in by else None for name, value in keys.items()}
    of["group"] = "seed" if "group" in by else None
    rows = [
        wire.ReportRow(**of, day=date(2026, 11, int(day)) if day else None, **numbers(*said)) for day, *said in parts
    ]
    return wire.UsageReport(
        zone="Asia/Seoul",
        since=date(2026, 11, 1),
        until=date(2026, 12, 1),
        at=NOW,
        by=list(by),
        total=wire.ReportSum(**numbers(10_800, 1800, 7200)),
        rows=rows,
        next_cursor=more,
    )


def an_event(seq: int = 1, event: str = "scheduled", **more: Any) -> wire.LeaseEvent:
    return wire.LeaseEvent(
        **{
            "seq": seq,
            "lease": "lea_1",
            "at": NOW,
            "event": event,
            "state": wire.LeaseState.SCHEDULED,
            "cause": "asked",
            "detail": {"gpus": 16, "node": None},
            **more,
        }
    )


def a_slot(start_s: int = 0, length_s: int = 7200) -> wire.Slot:
    return wire.Slot(
        promised_start=in_s(start_s),
        starts_at=in_s(start_s),
        ends_at=in_s(start_s + length_s),
        placement=[wire.NodeShare(node="gpu-01", gpus=8)],
    )


def a_tried(lease: str | None = "lea_1", **more: Any) -> wire.Tried:
    return wire.Tried(
        **{
            "lease": lease,
            "company": None if lease is None else "acme",
            "gpus": 8,
            "was": None,
            "got": wire.LeaseState.SCHEDULED,
            "code": "starts_now",
            "cause": None,
            "before": None,
            "after": a_slot(),
            **more,
        }
    )


def a_record(**more: Any) -> wire.DecisionRecord:
    """That of an ask."""
    return wire.DecisionRecord(
        **{
            "id": "dec_1",
            "kind": "ask",
            "part_of": None,
            "at": NOW,
            "pool": "h100-80gb",
            "generation": 7,
            "lease": "lea_1",
            "company": "acme",
            "outcome": wire.Outcome.SCHEDULED,
            "code": "starts_now",
            "detail": "8 GPUs from now.",
            "numbers": {"asked_gpus": 8},
            "elsewhere": [],
            "policy_version": "5",
            "policy": {"version": "3", "rule": "late-slots"},
            "now": NOW,
            "inputs_digest": "ab" * 32,
            "result_digest": "cd" * 32,
            "order": [a_tried()],
            "order_more": 0,
            **more,
        }
    )


def an_explanation(*steps: wire.Step, **more: Any) -> wire.Explanation:
    return wire.Explanation(lease=a_lease(**more), steps=list(steps) or [a_step()])


def a_step(event: str = "scheduled", **more: Any) -> wire.Step:
    return wire.Step(
        **{
            "at": NOW,
            "event": event,
            "state": wire.LeaseState.SCHEDULED,
            "cause": "asked",
            "detail": "16 GPUs start now.",
            "decision": "dec_1",
            **more,
        }
    )


def a_replay() -> wire.Replayed:
    return wire.Replayed(
        decision="dec_1",
        kind="ask",
        pool="h100-80gb",
        generation=7,
        now=NOW,
        inputs_digest="ab" * 32,
        result_digest="cd" * 32,
        result_bytes=345,
        looked_at=2,
        elsewhere=1,
    )


def a_what_if(**more: Any) -> wire.WhatIfAnswer:
    """Of one lease that would start an hour earlier."""
    before = wire.Outlook(state=wire.LeaseState.SCHEDULED, promised_start=in_s(7200), estimated_start=in_s(7200))
    after = wire.Outlook(state=wire.LeaseState.SCHEDULED, promised_start=in_s(3600), estimated_start=in_s(3600))
    one = wire.Difference(
        lease="lea_1", company="acme", gpus=8, change="earlier", by_s=-3600, before=before, after=after
    )
    return wire.WhatIfAnswer(
        **{
            "pool": "h100-80gb",
            "since": None,
            "until": NOW,
            "complete": True,
            "generation": 7,
            "summary": "Of 3 leases that wait, 1 would stand differently: 1 earlier (by 1 h together).",
            "totals": {"earlier": 1},
            "differences": [one],
            "more": 0,
            "struck": [],
            "decisions": 0,
            "unlike": [],
            **more,
        }
    )


def a_finding(check: str = "database", *, ok: bool | None = True, essential: bool = True) -> wire.Finding:
    return wire.Finding(check=check, ok=ok, said="it is so", essential=essential)


def a_checkup(*findings: wire.Finding, **more: Any) -> wire.Checkup:
    """Of an API with a database, a leading scheduler and one that stands by, and two nodes."""
    return wire.Checkup(
        **{
            "at": NOW.replace(microsecond=0),
            "version": version("dure"),
            "database": wire.CheckedDatabase(
                version="18.1",
                size_bytes=1 << 30,
                connections=12,
                most_connections=100,
                round_trip_us=400,
                archiving=False,
                archived_at=None,
                schema_version="20261130_processes",
                wanted_schema_version="20261130_processes",
            ),
            "processes": [a_process("sched-0:7", leads=True), a_process("sched-1:7", leads=False)],
            "agents": wire.CheckedAgents(nodes=2, reporting=2, silent=0, never=0, versions={"0.1.0": 2}),
            "ledger": wire.CheckedLedger(at=NOW, accounts=3, entries=70, faults=0),
            "findings": list(findings),
            **more,
        }
    )


def a_process(name: str, *, leads: bool | None) -> wire.CheckedProcess:
    return wire.CheckedProcess(
        name=name,
        kind="api" if leads is None else "scheduler",
        version=version("dure"),
        started_at=NOW,
        seen_at=NOW,
        leads=leads,
        turned_at=NOW if leads else None,
    )
