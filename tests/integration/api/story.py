"""A day at a small programme, played over HTTP: what is sent and answered becomes the examples of the documentation.

Time stands where the story sets it, so that two tellings differ in ids alone.
"""

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import httpx

from dure import wire
from scheduler.store import attendance, deliveries, processes, receiving, violations
from scheduler.store.db import SCHEMA_HEAD, Database
from scheduler.store.tables import Cluster, Pod, PodLog, Process
from tests.integration.api.conftest import SetClock, token
from tests.integration.scheduler.conftest import World

NINE = int(datetime(2026, 11, 24, 0, 0, tzinfo=UTC).timestamp())
"""09:00 in Seoul."""

SECRET = re.compile(r"dure_[A-Za-z0-9_-]{43}")
HOOK_SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=")
HOOKS = re.compile(r"http://127\.0\.0\.1:[0-9]+/dure\?key=1")
SHOWN_HOOKS = "https://203.0.113.7/dure"
TOOK_MS = 42
DATABASE = "PostgreSQL 18.1, 9.0 MiB, 12 of 100 connections, answers in 0.4 ms"
UNKNOWN = "lea_06fexh33h0000000000x"
UNKNOWN_DECISION = "dec_06fexh33h0000000000x"

Json = dict[str, Any]


@dataclass
class Story:
    """`told` is what happened, by operation id; `hooks` is an address that takes webhooks."""

    url: str
    db: Database
    clock: SetClock
    hooks: str
    told: dict[str, list[Json]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    def tell(self) -> dict[str, list[Json]]:
        self.clock.at = NINE
        self.secrets["admin"] = token(self.db, role="admin")
        self.secrets["auditor"] = token(self.db, role="auditor")
        self._founding()
        self._asking()
        self._looking()
        self._telling()
        self._enforcing()
        self._choosing()
        self._maintaining()
        self._amending()
        self._explaining()
        self._ending()
        self._limiting()
        self._end_of_tokens()
        return self.told

    def say(self, operation: str, name: str, who: str | None, method: str, path: str, body: Json | None = None) -> Any:
        """Sends it, keeps it as an example, and answers what was answered."""
        headers = {} if who is None else {"Authorization": f"Bearer {self.secrets[who]}"}
        headers["X-Request-Id"] = f"req_{len(self.told):020}"
        answer = httpx.request(
            method, self.url + path, json=body, headers=headers, trust_env=False, timeout=120, verify=False
        )
        found = answer.json()
        shown = _masked(found)
        exchange = {"name": name, "request": _masked(body), "status": answer.status_code, "answer": shown}
        self.told.setdefault(operation, []).append({key: value for key, value in exchange.items() if value is not None})
        return found

    # --- the chapters --------------------------------------------------------------------------------------------------

    def _founding(self) -> None:
        pool = {"name": "h100-80gb", "product": "NVIDIA H100 80GB HBM3"}
        self.say("add_pool", "an H100 pool", "admin", "POST", "/v1/pools?reason=the+first", pool)
        self.say("add_pool", "the same again", "admin", "POST", "/v1/pools?reason=the+first", pool)
        self.say("add_pool", "without a reason", "admin", "POST", "/v1/pools", {**pool, "name": "h100"})
        for node in ("gpu-01", "gpu-02"):
            self._node(node)
        body = {"name": "acme", "title": "Acme Robotics Inc."}
        self.say("add_company", "a startup", "admin", "POST", "/v1/companies", body)
        self.say("add_company", "the same again", "admin", "POST", "/v1/companies", body)
        self.say("add_company", "a name that is none", "admin", "POST", "/v1/companies", {"name": "Acme Inc."})
        httpx.post(
            f"{self.url}/v1/companies",
            json={"name": "globex"},
            headers=self._bearer("admin"),
            trust_env=False,
            timeout=120,
            verify=False,
        ).raise_for_status()
        quota = {"gpus": 4}
        self.say("set_quota", "4 GPUs at once", "admin", "PUT", "/v1/companies/acme/quotas/h100-80gb", quota)
        self.say("set_quota", "an unknown pool", "admin", "PUT", "/v1/companies/acme/quotas/h200", quota)
        self._shares()
        issue = {"role": "company", "company": "acme", "label": "notebooks", "expires_at": "2027-01-01T00:00:00+09:00"}
        issued = self.say("issue_token", "for a company", "admin", "POST", "/v1/tokens", issue)
        self.secrets["acme"] = issued["secret"]
        self.say("issue_token", "of no company", "admin", "POST", "/v1/tokens", {"role": "company"})

    def _shares(self) -> None:
        """Nothing is contended here, so they change nothing of what is told afterwards."""
        pool = "/v1/pools/h100-80gb"
        self.say("set_group", "a group with 2 shares", "admin", "PUT", f"{pool}/share-groups/seed", {"shares": 2})
        self.say("set_group", "no shares at all", "admin", "PUT", f"{pool}/share-groups/seed", {"shares": 0})
        share = {"shares": 3, "group": "seed"}
        self.say("set_share", "3 shares in a group", "admin", "PUT", f"{pool}/shares/acme", share)
        late = {"shares": 3, "group": "late"}
        self.say("set_share", "in a group that is not there", "admin", "PUT", f"{pool}/shares/acme", late)
        self.say("show_fair", "who is served first", "admin", "GET", "/v1/fair?pool=h100-80gb")
        self.say("show_fair", "of an unknown pool", "admin", "GET", "/v1/fair?pool=h200")
        self.say("remove_share", "the default again", "admin", "DELETE", f"{pool}/shares/acme")
        self.say("remove_share", "of an unknown company", "admin", "DELETE", f"{pool}/shares/nobody")

    def _node(self, node: str) -> None:
        first = node == "gpu-01"
        issued = self._sent("enroll_node", "a machine", "admin", "POST", "/v1/nodes", {"name": node}, told=first)
        self.secrets[node] = issued["secret"]
        if first:
            self.say("enroll_node", "one that is enrolled", "admin", "POST", "/v1/nodes", {"name": node})
        if first:
            self._join(node)
        path = f"/v1/nodes/{node}/reports"
        self._sent("report_node", "an idle machine", node, "POST", path, _report(node, seq=1, now=NINE), told=first)

    def _join(self, node: str) -> None:
        """It is let in with a join token, and its own credentials follow."""
        at = f"/v1/nodes/{node}"
        issued = self.say("make_join_token", "for an hour", "admin", "POST", f"{at}/join-tokens", {"lasts_s": 3600})
        self.say("make_join_token", "for a year", "admin", "POST", f"{at}/join-tokens", {"lasts_s": 31_536_000})
        self.secrets["joining"] = issued["secret"]
        first, second = ({"secret_sha256": hashlib.sha256(word.encode()).hexdigest()} for word in ("first", "second"))
        self.say("renew_credential", "with an admin's token", node, "POST", f"{at}/credential", first)
        self.say("join_node", "a new agent", "joining", "POST", f"{at}/join", first)
        self.say("join_node", "with a used token", "joining", "POST", f"{at}/join", second)
        self.secrets[node] = "first"
        self.say("renew_credential", "half way", node, "POST", f"{at}/credential", second)

    def _asking(self) -> None:
        ask = {"pool": "h100-80gb", "shape": {"gpus": 2}, "duration_s": 7200, "name": "finetune-7b"}
        self.say("ask", "2 GPUs for 2 hours, as soon as possible", "acme", "POST", "/v1/leases", ask)
        gang = {
            **ask,
            "shape": {"nodes": 2, "gpus_per_node": 2},
            "start": "2026-11-24T14:00:00+09:00",
            "name": "pretrain",
        }
        self.say("ask", "whole machines at a time of the day", "acme", "POST", "/v1/leases", gang)
        window = {**ask, "shape": {"gpus": 4}, "start_by": "2026-11-24T09:30:00+09:00", "name": "ablation"}
        self.say("ask", "within half an hour, or not at all", "acme", "POST", "/v1/leases", window)
        self.say("ask", "within half an hour, else not", "acme", "POST", "/v1/leases", {**window, "queue": False})
        too_many = {**ask, "shape": {"gpus": 6}, "name": "sweep"}
        self.say("ask", "more than the quota", "acme", "POST", "/v1/leases", too_many)
        too_wide = {**ask, "shape": {"nodes": 3, "gpus_per_node": 1}, "name": "sweep"}
        self.say("ask", "more machines than there are", "acme", "POST", "/v1/leases", too_wide)
        self.say("ask", "no GPUs", "acme", "POST", "/v1/leases", {**ask, "shape": {"gpus": 0}})
        far = {**ask, "start": "2027-06-01T09:00:00+09:00"}
        self.say("ask", "in half a year", "acme", "POST", "/v1/leases", far)
        yesterday = {**ask, "start": "2026-11-23T09:00:00+09:00"}
        self.say("ask", "yesterday", "acme", "POST", "/v1/leases", yesterday)
        self.say(
            "ask",
            "with dry_run: what would it be",
            "acme",
            "POST",
            "/v1/leases?dry_run=true",
            {**ask, "shape": {"gpus": 4}},
        )
        self.say("ask", "an unknown pool", "acme", "POST", "/v1/leases", {**ask, "pool": "h200"})

    def _looking(self) -> None:
        World(self.db, pool="h100-80gb").turn(NINE, led_since=NINE)
        self.clock.at = NINE + 10
        lease = self._lease("finetune-7b")
        self.say(
            "report_node",
            "a machine whose GPUs are leased",
            "gpu-01",
            "POST",
            "/v1/nodes/gpu-01/reports",
            _report("gpu-01", seq=2, now=NINE + 10, busy=True),
        )
        self.say(
            "report_node",
            "what changed since, and an XID",
            "gpu-01",
            "POST",
            "/v1/nodes/gpu-01/reports",
            _change("gpu-01", seq=3, base=2, now=NINE + 10),
        )
        self.say(
            "report_node",
            "another machine's",
            "gpu-01",
            "POST",
            "/v1/nodes/gpu-02/reports",
            _report("gpu-02", seq=3, now=NINE + 10),
        )
        self.say("show_lease", "an active lease", "acme", "GET", f"/v1/leases/{lease}")
        self.say("show_lease", "an unknown lease", "acme", "GET", f"/v1/leases/{UNKNOWN}")
        self.say("list_leases", "those that are active", "acme", "GET", "/v1/leases?state=active&state=ending")
        self.say("list_lease_events", "from ask to start", "acme", "GET", f"/v1/leases/{lease}/events")
        self.say("list_events", "the first of all", "acme", "GET", "/v1/events?limit=1")
        self.say("list_events", "what came after it", "acme", "GET", "/v1/events?after=evt_1&limit=2")
        self.say("list_events", "after what is no event", "acme", "GET", "/v1/events?after=yesterday")
        self.say(
            "show_calendar", "a morning", "acme", "GET", "/v1/calendar?pool=h100-80gb&until=2026-11-24T15:00:00%2B09:00"
        )
        self.say("show_pool", "a pool", "acme", "GET", "/v1/pools/h100-80gb")
        self.say("show_pool", "an unknown pool", "acme", "GET", "/v1/pools/h200")
        self.say("list_pools", "every pool", "acme", "GET", "/v1/pools")
        self.say("show_node", "a machine", "admin", "GET", "/v1/nodes/gpu-01")
        self.say("list_node_events", "an XID", "admin", "GET", "/v1/nodes/gpu-01/events")
        self.say("list_nodes", "the first machine", "admin", "GET", "/v1/nodes?limit=1")
        self.say("show_company", "a company", "acme", "GET", "/v1/companies/acme")
        self.say("show_company", "another company", "acme", "GET", "/v1/companies/globex")
        self.say("list_companies", "the first of two", "admin", "GET", "/v1/companies?limit=1")
        self.say("list_companies", "an unknown parameter", "admin", "GET", "/v1/companies?size=1")
        self.say("list_quotas", "a company's quotas", "acme", "GET", "/v1/companies/acme/quotas")

    def _enforcing(self) -> None:
        lease = self._lease("finetune-7b")
        self.say(
            "make_lease_key", "of a pool that is enforced nowhere", "acme", "POST", f"/v1/leases/{lease}/kube-token"
        )
        new = {"cluster": "main"}
        self.say("change_pool", "one that no scheduler is told of yet", "admin", "PATCH", "/v1/pools/h100-80gb", new)
        self.say("list_clusters", "one that no scheduler is told of yet", "admin", "GET", "/v1/clusters")
        with self.db.begin() as session:
            session.add(Cluster(name="main", version="v1.37.2", heard_at=NINE + 9))
        self.say("change_pool", "nothing", "admin", "PATCH", "/v1/pools/h100-80gb", {})
        self._pods(lease)
        self.say("list_clusters", "one", "admin", "GET", "/v1/clusters")
        self.say("show_lease_access", "one that runs", "acme", "GET", f"/v1/leases/{lease}/kubeconfig")
        self.say("make_lease_key", "one that runs", "acme", "POST", f"/v1/leases/{lease}/kube-token")
        ahead = self._lease("pretrain")
        self.say("make_lease_key", "one that has not started", "acme", "POST", f"/v1/leases/{ahead}/kube-token")
        self.say("show_company_access", "a company's own", "acme", "GET", "/v1/companies/acme/kubeconfig")
        self.say("make_company_key", "for an hour", "acme", "POST", "/v1/companies/acme/kube-token?lasts_s=3600")
        self.say("make_company_key", "of another", "acme", "POST", "/v1/companies/globex/kube-token")
        self.say("list_company_pods", "one that waits", "acme", "GET", "/v1/companies/acme/pods")
        self.say("list_lease_pods", "one that is over, one that waits", "acme", "GET", f"/v1/leases/{lease}/pods")
        self.say("list_lease_logs", "its last lines", "acme", "GET", f"/v1/leases/{lease}/logs")

    def _pods(self, lease: str) -> None:
        """As the reconciler writes what it sees."""
        said = {"cluster": "main", "company": "acme", "gpus": 2, "seen_at": NINE}
        over = {"ended_at": NINE + 8, "exit_code": 1, "reason": "Error"}
        with self.db.begin() as session:
            session.add(Pod(uid="8a6f1", name="tune-0", phase="Failed", lease=lease, node="gpu-01", **said, **over))
            session.flush()
            session.add(PodLog(uid="8a6f1", container="main", log="CUDA out of memory\n"))
            detail = f"2 nvidia.com/gpu are not free on any node of lease {lease}; it starts once they are"
            waits = {"wish": lease, "waits": "full", "detail": detail}
            session.add(Pod(uid="8a6f2", name="tune-1", phase="Pending", **waits, **said))

    def _choosing(self) -> None:
        wanted = {
            "pools": ["h100-80gb"],
            "shape": {"gpus": 2},
            "duration_s": 3600,
            "start_by": "2026-11-25T09:00:00+09:00",
        }
        found = self.say("search_offers", "2 GPUs for an hour, until tomorrow", "acme", "POST", "/v1/offers", wanted)
        first, second = found["items"][0]["id"], found["items"][1]["id"]
        self.say("search_offers", "in no pool", "acme", "POST", "/v1/offers", {**wanted, "pools": []})
        larger = {**wanted, "shape": {"gpus": 64}, "shortest_s": 1800, "fewest": 1}
        self.say("search_offers", "more than there is", "acme", "POST", "/v1/offers", larger)
        self.say("search_offers", "less than nothing would do", "acme", "POST", "/v1/offers", {**wanted, "fewest": 3})
        self.say("list_offers", "what can be claimed", "acme", "GET", "/v1/offers?limit=2")
        self.say("show_offer", "as it was made", "acme", "GET", f"/v1/offers/{first}")
        self.say("show_offer", "an unknown offer", "acme", "GET", f"/v1/offers/{UNKNOWN}")
        claimed = self.say(
            "claim_offer", "the first one", "acme", "POST", f"/v1/offers/{first}/claim", {"name": "eval"}
        )
        self.clock.at += 400
        self.say("claim_offer", "too late", "acme", "POST", f"/v1/offers/{second}/claim", {})
        self.say("cancel_lease", "what an offer became", "acme", "POST", f"/v1/leases/{claimed['id']}/cancel")

    def _maintaining(self) -> None:
        drain = {"start": "2026-11-24T13:00:00+09:00", "duration_s": 7200, "reason": "new driver"}
        self.say(
            "drain_node",
            "two hours: whom would it touch",
            "admin",
            "POST",
            "/v1/nodes/gpu-01/drain?dry_run=true",
            drain,
        )
        self.say("drain_node", "two hours in the afternoon", "admin", "POST", "/v1/nodes/gpu-01/drain", drain)
        self.say(
            "drain_node",
            "from yesterday on",
            "admin",
            "POST",
            "/v1/nodes/gpu-01/drain",
            {**drain, "start": "2026-11-23T13:00:00+09:00"},
        )
        self.say("drain_node", "an unknown node", "admin", "POST", "/v1/nodes/gpu-99/drain", drain)
        path = "/v1/nodes/gpu-01/resume?dry_run=true"
        self.say("resume_node", "back again: what would it touch", "admin", "POST", path)
        self.say("resume_node", "back again", "admin", "POST", "/v1/nodes/gpu-01/resume")
        self.say("resume_node", "one that is not drained", "admin", "POST", "/v1/nodes/gpu-01/resume")
        self.say(
            "label_node", "where it stands", "admin", "PATCH", "/v1/nodes/gpu-01/labels", {"rack": "r1", "island": "a"}
        )
        self.say("label_node", "on another island", "admin", "PATCH", "/v1/nodes/gpu-01/labels", {"island": "b"})
        self._governing()

    def _governing(self) -> None:
        live = self.say("show_policy", "as it is", "auditor", "GET", "/v1/policy")
        self.say("show_policy", "a version that is none", "auditor", "GET", "/v1/policy?version=99")
        body = {name: live[name] for name in ("version", "programme", "pools")}
        body["programme"] = {"zone": "Asia/Seoul"}
        body["pools"]["h100-80gb"] |= {"slack_ppm": 40_000, "no_show_after_s": 1800}
        why = "reason=periods+begin+in+Seoul"
        self.say(
            "put_policy",
            "another zone, and no-shows: what would it do",
            "admin",
            "PUT",
            "/v1/policy?dry_run=true",
            body,
        )
        self.say("put_policy", "another zone, and no-shows", "admin", "PUT", f"/v1/policy?{why}", body)
        self.say("put_policy", "the same again", "admin", "PUT", f"/v1/policy?{why}", body)
        other = {**body, "programme": {"zone": "UTC"}}
        self.say("put_policy", "made from a version that is not live", "admin", "PUT", f"/v1/policy?{why}", other)
        self.say("put_policy", "without a reason", "admin", "PUT", "/v1/policy", other)
        self.say("put_policy", "with no pool", "admin", "PUT", f"/v1/policy?{why}", {**body, "pools": {}})
        self.say("list_policy_versions", "the newest", "auditor", "GET", "/v1/policy/history?limit=1")
        policy = {"slack_ppm": 20_000, "reserve_ppm": 20_000, "reserve_over_s": 3600}
        path = "/v1/pools/h100-80gb/policy"
        self.say("change_policy", "less slack, and a reserve", "admin", "PATCH", f"{path}?reason=for+June", policy)
        self.say("change_policy", "without a reason", "admin", "PATCH", path, policy)

    def _amending(self) -> None:
        lease, gang = self._lease("finetune-7b"), self._lease("pretrain")
        path = f"/v1/leases/{lease}"
        self.say(
            "extend_lease",
            "half an hour more: what would it do",
            "acme",
            "POST",
            f"{path}/extend?dry_run=true",
            {"by_s": 1800},
        )
        self.say("extend_lease", "half an hour more", "acme", "POST", f"{path}/extend", {"by_s": 1800})
        self.say("extend_lease", "past the horizon", "acme", "POST", f"{path}/extend", {"by_s": 5_184_000})
        self.say("extend_lease", "by nothing", "acme", "POST", f"{path}/extend", {"partly": True})
        self.say("shrink_lease", "the half hour back", "acme", "POST", f"{path}/shrink", {"by_s": 1800})
        self.say(
            "shrink_lease",
            "to an end that is past",
            "acme",
            "POST",
            f"{path}/shrink",
            {"until": "2026-11-24T08:00:00+09:00"},
        )
        self.say(
            "shrink_lease", "a gang by one node", "acme", "POST", f"/v1/leases/{gang}/shrink?dry_run=true", {"nodes": 1}
        )
        self.say("keep_lease", "one that is not about to be given back", "acme", "POST", f"{path}/keep")
        with self.db.begin() as session:
            attendance.note_told(session, lease, now=NINE)
        self.say("keep_lease", "nothing runs on it, and it would be given back", "acme", "POST", f"{path}/keep")
        self.say("keep_lease", "one that has not started", "acme", "POST", f"/v1/leases/{gang}/keep")
        self.say("set_renewal", "for training", "acme", "PUT", f"{path}/renewal", {"renew": True})
        inference = {
            "pool": "h100-80gb", "shape": {"gpus": 1}, "duration_s": 3600, "purpose": "inference", "name": "chat",
            "start": "2026-11-24T18:00:00+09:00",
        }  # fmt: skip
        serving = {**inference, "renew": True, "min": 1, "max": 2}
        self.say("ask", "an endpoint that renews itself, of 1 GPU to 2", "acme", "POST", "/v1/leases", serving)
        chat = f"/v1/leases/{self._lease('chat')}"
        self.say("set_renewal", "no more", "acme", "PUT", f"{chat}/renewal", {"renew": False})
        look = f"{chat}/resize?dry_run=true"
        self.say("resize_lease", "twice as large: what would it do", "acme", "POST", look, {"gpus": 2})
        self.say("resize_lease", "twice as large", "acme", "POST", f"{chat}/resize", {"gpus": 2})
        self.say("resize_lease", "more than its max", "acme", "POST", f"{chat}/resize", {"gpus": 3})
        self.say("resize_lease", "a training lease", "acme", "POST", f"{path}/resize", {"gpus": 4})
        self.say("resize_lease", "to nothing", "acme", "POST", f"{chat}/resize", {"gpus": 0})
        self.say("shrink_lease", "one of its two GPUs back", "acme", "POST", f"{chat}/shrink", {"gpus": 1})

    def _telling(self) -> None:
        """Of the webhook's address, its port is the test's; it is shown as another, as its secret is."""
        hook = {"url": self.hooks, "label": "on-call"}
        added = self.say("add_webhook", "an address", "acme", "POST", "/v1/webhooks", hook)["webhook"]["id"]
        self.secrets["hook"] = added
        inside = {"url": "https://169.254.169.254/latest/meta-data/"}
        self.say("add_webhook", "one that is not public", "acme", "POST", "/v1/webhooks", inside)
        self.say("add_webhook", "what is no address", "acme", "POST", "/v1/webhooks", {"url": "hooks.acme.example"})
        self.say("test_webhook", "is it there?", "acme", "POST", f"/v1/webhooks/{added}/test")
        self.say("list_webhooks", "a company's own", "acme", "GET", "/v1/webhooks")
        self.say("show_webhook", "one", "acme", "GET", f"/v1/webhooks/{added}")
        self.say("show_webhook", "an unknown one", "acme", "GET", "/v1/webhooks/whk_06fexh33h0000000000x")
        self.say("rotate_webhook", "a new secret", "acme", "POST", f"/v1/webhooks/{added}/rotate")
        self.say("enable_webhook", "one that was disabled, or waits", "acme", "POST", f"/v1/webhooks/{added}/enable")

    def _explaining(self) -> None:
        lease, queued = self._lease("finetune-7b"), self._lease("ablation")
        path = f"/v1/leases/{lease}"
        decision = self.say("explain_lease", "step by step", "acme", "GET", f"{path}/explain")["steps"][0]["decision"]
        self.say("explain_lease", "an unknown lease", "acme", "GET", f"/v1/leases/{UNKNOWN}/explain")
        self.say("show_decision", "an ask", "acme", "GET", f"/v1/decisions/{decision}")
        self.say("show_decision", "an unknown one", "acme", "GET", f"/v1/decisions/{UNKNOWN_DECISION}")
        self.say("replay_decision", "an ask", "acme", "POST", f"/v1/decisions/{decision}/replay")
        self.say("replay_decision", "an unknown one", "acme", "POST", f"/v1/decisions/{UNKNOWN_DECISION}/replay")
        quota = {
            "pool": "h100-80gb",
            "add_nodes": [{"count": 1, "gpus": 4}],
            "quotas": [{"company": "acme", "gpus": 8}],
        }
        found = self.say("what_if", "a node more and a larger quota", "admin", "POST", "/v1/whatif", quota)
        assert queued in {one["lease"] for one in found["differences"]}
        past = {**quota, "since": "2026-11-24T09:00:00+09:00"}
        self.say("what_if", "the same since this morning", "admin", "POST", "/v1/whatif", past)
        nobody = {"pool": "h100-80gb", "quotas": [{"company": "initech", "gpus": 8}]}
        self.say("what_if", "an unknown company", "admin", "POST", "/v1/whatif", nobody)
        self.say("what_if", "nothing", "admin", "POST", "/v1/whatif", {"pool": "h100-80gb"})

    def _ending(self) -> None:
        self.clock.at = NINE + 3600
        lease, gang = self._lease("finetune-7b"), self._lease("pretrain")
        self.say(
            "release_lease",
            "with dry_run: what would it do",
            "acme",
            "POST",
            f"/v1/leases/{lease}/release?dry_run=true",
        )
        self.say("release_lease", "one hour early", "acme", "POST", f"/v1/leases/{lease}/release")
        self.say("release_lease", "one that has not started", "acme", "POST", f"/v1/leases/{gang}/release")
        self.say(
            "cancel_lease", "with dry_run: what would it do", "acme", "POST", f"/v1/leases/{gang}/cancel?dry_run=true"
        )
        self.say("cancel_lease", "a promise", "acme", "POST", f"/v1/leases/{gang}/cancel")
        self.say("cancel_lease", "one that is over", "acme", "POST", f"/v1/leases/{gang}/cancel")
        World(self.db, pool="h100-80gb").turn(NINE + 3631, led_since=NINE)
        self.clock.at = NINE + 3700
        self.say("show_usage", "a company's own", "acme", "GET", "/v1/usage?since=2026-11-24T09:00:00%2B09:00")
        november = "since=2026-11-01&until=2026-12-01"
        self.say("show_report", "a month by company and pool", "admin", "GET", f"/v1/reports?{november}")
        self.say("show_report", "by day, a company's own", "acme", "GET", f"/v1/reports?by=day&{november}")
        self.say("show_report", "by group", "admin", "GET", f"/v1/reports?by=group&{november}")
        self.say("show_report", "of a group that is not there", "admin", "GET", "/v1/reports?group=late")
        self.say("show_report", "of another company", "acme", "GET", "/v1/reports?company=globex")
        self.say("show_report", "no days", "admin", "GET", "/v1/reports?since=2026-11-02&until=2026-11-01")

        with self.db.begin() as session:
            deliveries.give_out(session, now=NINE + 3700)
        hook = self.secrets["hook"]
        self.say("list_deliveries", "the newest", "acme", "GET", f"/v1/webhooks/{hook}/deliveries?limit=1")
        self.say("remove_webhook", "one", "acme", "DELETE", f"/v1/webhooks/{hook}")

    def _limiting(self) -> None:
        path = "/v1/companies/acme/quotas/h100-80gb"
        budget = {"gpu_seconds": 7_200_000, "period": "month", "carries_over": True}
        wanted = {"longest_s": 259_200, "budget": budget}
        self.say("change_quota", "2,000 GPU-hours a month, and no lease over 72 hours", "admin", "PATCH", path, wanted)
        ask = {"pool": "h100-80gb", "shape": {"gpus": 4}, "duration_s": 7200, "start": "2026-11-25T09:00:00+09:00"}
        lease = self._sent("ask", "tomorrow", "acme", "POST", "/v1/leases", {**ask, "name": "nightly"}, told=False)[
            "id"
        ]
        lower = {"gpus": 2}
        self.say(
            "change_quota", "2 GPUs: which promises are beyond it", "admin", "PATCH", f"{path}?dry_run=true", lower
        )
        back, none = (f"{path}?revoke={revoked}" for revoked in (lease, UNKNOWN))
        self.say("change_quota", "a promise back, without a reason", "admin", "PATCH", back, lower)
        why = "&reason=the+pool+is+smaller"
        self.say("change_quota", "2 GPUs, and one promise back", "admin", "PATCH", back + why, lower)
        self.say("change_quota", "a promise that is not beyond it", "admin", "PATCH", none + why, lower)
        term = {"budget": {"gpu_seconds": 3600, "period": "term", "begins_at": "2026-12-01T00:00:00+09:00"}}
        self.say("change_quota", "a term without an end", "admin", "PATCH", path, term)
        closed = {"gpus": 0, "budget": {"gpu_seconds": 3_600_000, "period": "month"}}
        self.say("change_quota", "a budget of a pool that is closed", "admin", "PATCH", path, closed)
        half = {"gpu_seconds": 3_600_000, "period": "month"}
        both = {
            "quotas": [
                {"pool": "h100-80gb", "gpus": 1, "open_asks": 5},
                {"company": "acme", "pool": "h100-80gb", "gpus": 4, "budget": half},
            ]
        }
        self.say("set_quotas", "with dry_run: what would be different", "admin", "PUT", "/v1/quotas?dry_run=true", both)
        self.say("set_quotas", "a default, and one company's", "admin", "PUT", "/v1/quotas", both)
        wrong = {"quotas": [*both["quotas"], {"company": "hooli", "pool": "h100-80gb", "gpus": 4}]}
        self.say("set_quotas", "one of a company that there is not", "admin", "PUT", "/v1/quotas", wrong)
        self.say("list_all_quotas", "what can be set again", "auditor", "GET", "/v1/quotas")
        self.say("remove_quota", "the default instead: what would it be", "admin", "DELETE", f"{path}?dry_run=true")
        self.say("remove_quota", "the default instead", "admin", "DELETE", path)
        self.say("remove_quota", "one that follows the default", "admin", "DELETE", path)
        self.say("remove_default", "a pool's", "admin", "DELETE", "/v1/quotas/h100-80gb")
        self.say("remove_default", "of a pool that has none", "admin", "DELETE", "/v1/quotas/h100-80gb")

    def _end_of_tokens(self) -> None:
        tokens = httpx.get(
            f"{self.url}/v1/tokens", headers=self._bearer("admin"), trust_env=False, timeout=120, verify=False
        ).json()["items"]
        mine = next(found["id"] for found in tokens if found["company"] == "acme")
        adjusted = {"company": "acme", "pool": "h100-80gb", "gpu_seconds": 7200}
        path = "/v1/ledger/adjustments?reason=node-1+was+slow+on+Monday"
        self.say("adjust_ledger", "two GPU-hours", "admin", "POST", path, adjusted)
        self.say("adjust_ledger", "more than there is", "admin", "POST", path, {**adjusted, "gpu_seconds": -10_000})
        self.say("adjust_ledger", "without a reason", "admin", "POST", "/v1/ledger/adjustments", adjusted)
        self.say("list_ledger", "a company's newest", "acme", "GET", "/v1/ledger?pool=h100-80gb&limit=3")
        self.say("verify_ledger", "one company's", "admin", "GET", "/v1/ledger/verify?company=acme")
        self._violations()
        self._checkup()
        self.say("list_audit", "what became of a quota", "admin", "GET", "/v1/audit?action=quota.set&limit=2")
        self._closing()
        self.say("list_tokens", "every token", "admin", "GET", "/v1/tokens")
        self.say("revoke_token", "a company's", "admin", "DELETE", f"/v1/tokens/{mine}")
        self.say("list_pools", "with a revoked token", "acme", "GET", "/v1/pools")
        self.say("list_pools", "without a token", None, "GET", "/v1/pools")
        self.say("list_problems", "every code", None, "GET", "/v1/problems")
        self.say("show_problem", "one code", None, "GET", "/v1/problems/never_fits")
        self.say("healthz", "up", None, "GET", "/healthz")
        self.say("readyz", "ready", None, "GET", "/readyz")

    def _violations(self) -> None:
        found = wire.GpuViolation(
            gpu="GPU-gpu-02-1",
            kind="process",
            since=self.clock.at - 40,
            pid=48_213,
            name="python3",
            cgroup="/user.slice/user-1000.slice/session-4.scope",
        )
        with self.db.begin() as session:
            violations.note(session, "gpu-02", [found], offset_s=0, now=self.clock.at)
        path = "/v1/violations?node=gpu-02&open=true"
        self.say("list_violations", "who is on a node's GPUs now", "auditor", "GET", path)
        self.say("list_violations", "of no node", "admin", "GET", "/v1/violations?node=GPU%2002")

    def _checkup(self) -> None:
        """What is measured of the database is never the same twice, and versions are not for long."""
        now = self.clock.at
        times = {"started_at": now - 86_400, "seen_at": now - 2}
        lead = Process(
            name="dure-scheduler-0:7", kind="scheduler", version=version("dure"), leads=True, turned_at=now - 2, **times
        )
        with self.db.begin() as session:
            processes.say(session, lead)
            receiving.beat(session, now=now)
        self.say("show_checkup", "a stranger on a GPU, and nobody stands by", "admin", "GET", "/v1/checkup")
        told = json.dumps(self.told["show_checkup"][-1])
        told = told.replace(SCHEMA_HEAD, "20261130_processes").replace(version("dure"), "0.1.0")
        self.told["show_checkup"][-1] = shown = json.loads(told)
        shown["answer"]["database"] |= {"version": "18.1", "size_bytes": 9_437_184, "connections": 12}
        shown["answer"]["database"] |= {"most_connections": 100, "round_trip_us": 400}
        for one in shown["answer"]["findings"]:
            if one["check"] == "database":
                one |= {"ok": True, "essential": True, "said": DATABASE}

    def _closing(self) -> None:
        why = "?reason=left+the+programme"
        stricter = {"pod_security": "restricted"}
        self.say("change_company", "stricter pods", "admin", "PATCH", "/v1/companies/globex", stricter)
        self.say("change_company", "nothing", "admin", "PATCH", "/v1/companies/globex", {})
        self.say("close_company", "one that has a lease", "admin", "POST", f"/v1/companies/acme/close{why}")
        self.say("close_company", "one that left", "admin", "POST", f"/v1/companies/globex/close{why}")
        self.say("close_company", "without a reason", "admin", "POST", "/v1/companies/globex/close")
        ask = {"pool": "h100-80gb", "shape": {"gpus": 1}, "duration_s": 3600, "company": "globex"}
        self.say("ask", "for a company that is closed", "admin", "POST", "/v1/leases", ask)
        self.say("reopen_company", "one that came back", "admin", "POST", "/v1/companies/globex/reopen")

    # --- what the chapters need ------------------------------------------------------------------------------------------

    def _sent(self, operation: str, name: str, who: str, method: str, path: str, body: Json, *, told: bool) -> Any:
        found = self.say(operation, name, who, method, path, body)
        if not told:
            self.told[operation].pop()
        return found

    def _bearer(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secrets[who]}"}

    def _lease(self, name: str) -> str:
        answer = httpx.get(
            f"{self.url}/v1/leases", headers=self._bearer("admin"), trust_env=False, timeout=120, verify=False
        )
        return next(found["id"] for found in answer.json()["items"] if found["name"] == name)


def _report(node: str, *, seq: int, now: int, busy: bool = False) -> Json:
    gpus = [
        wire.GpuReading(
            uuid=f"GPU-{node}-{index}",
            index=index,
            product="NVIDIA H100 80GB HBM3",
            health="ok",
            memory_total_bytes=85_520_809_984,
            memory_used_bytes=71_202_504_704 if busy else 498_073_600,
            utilization_percent=97 if busy else 0,
            power_milliwatts=612_340 if busy else 71_120,
            temperature_celsius=64 if busy else 31,
            processes=1 if busy else 0,
        ).model_dump(mode="json", exclude_none=True)
        for index in range(2)
    ]
    agent = {
        "boot": "3f6c9a51d0e74b28",
        "host_boot": "6a1d21a4-6d3c-4c3d-9d31-0b4a7e2f5c10",
        "interval_s": 10,
        "agent_version": "0.1.0",
        "driver_version": "570.133.20",
    }
    return {**agent, "seq": seq, "sent_at": now, "gpus": gpus}


def _change(node: str, *, seq: int, base: int, now: int) -> Json:
    """Of the second version: what changed since the report that it builds on, and what happened."""
    changed = {"uuid": f"GPU-{node}-0", "utilization_percent": 95, "temperature_celsius": 66}
    xid = {"id": 1, "at": now - 2, "kind": "xid", "gpu": f"GPU-{node}-0", "detail": {"xid": 13}}
    report = _report(node, seq=seq, now=now)
    return {**report, "version": 2, "base": base, "gpus": [], "changed": [changed], "events": [xid]}


def _masked(value: Any) -> Any:
    """Without the secrets: an example is read by everybody."""
    match value:
        case str():
            value = HOOK_SECRET.sub("whsec_" + "x" * 43 + "=", HOOKS.sub(SHOWN_HOOKS, value))
            return SECRET.sub("dure_" + "x" * 43, value)
        case dict():
            return {name: TOOK_MS if name == "duration_ms" else _masked(inner) for name, inner in value.items()}
        case list():
            return [_masked(inner) for inner in value]
        case _:
            return value
