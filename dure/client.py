"""The HTTP client of the API: a method for each route, in wire types. Decides nothing and keeps nothing.

    with dure.Client("http://127.0.0.1:8470", token) as client:
        lease = client.ask(wire.Ask(pool="h100-80gb", shape=wire.Shape(gpus=8), duration_s=7200))

Every method raises the classes of `dure.errors`: what the server answered, or Unreachable. What is safe to repeat is
repeated with back-off: reads, PUT, PATCH, DELETE, and POST under an Idempotency-Key, which the client makes for each call.
"""

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from dure import wire
from dure.reaching import Reaching
from dure.sending import PAGE_SIZE, as_json, as_time, segment

__all__ = ["PAGE_SIZE", "Client"]

LONGEST_SUM_S = 120
"""How long the ledger may be added up; seconds for a million entries."""


class Client(Reaching):
    """One server, one token. Close it, or use it in a `with`. Not for several threads at once."""

    # --- companies, quotas, tokens -------------------------------------------------------------------------------

    def add_company(self, body: wire.CompanyCreate) -> wire.Company:
        return self._post("/v1/companies", body, wire.Company)

    def companies(self) -> Iterator[wire.Company]:
        return self._items("/v1/companies", wire.Page[wire.Company])

    def company(self, name: str) -> wire.Company:
        return self._get(f"/v1/companies/{segment(name)}", wire.Company)

    def change_company(self, name: str, body: wire.CompanyChange) -> wire.Company:
        return self._patch(f"/v1/companies/{segment(name)}", body, wire.Company)

    def close_company(self, name: str) -> wire.Company:
        """It asks for nothing from now on. Raises HasLeases while it has some."""
        return self._post(f"/v1/companies/{segment(name)}/close", None, wire.Company)

    def reopen_company(self, name: str) -> wire.Company:
        return self._post(f"/v1/companies/{segment(name)}/reopen", None, wire.Company)

    def set_quota(
        self,
        company: str,
        pool: str,
        body: wire.QuotaSet | wire.QuotaPatch,
        *,
        revoke: Sequence[str] = (),
        dry_run: bool = False,
    ) -> wire.Quota:
        """All of it, or what a patch says; promises beyond it that `revoke` names are taken back, for the client's `why`."""
        path = f"/v1/companies/{segment(company)}/quotas/{segment(pool)}"
        send = self._patch if isinstance(body, wire.QuotaPatch) else self._put
        return send(path, body, wire.Quota, params=_revoking(revoke, dry_run=dry_run))

    def remove_quota(self, company: str, pool: str, *, revoke: Sequence[str] = (), dry_run: bool = False) -> wire.Quota:
        """The company's own: the pool's default is its from then on; promises beyond it that `revoke` names are taken back."""
        path = f"/v1/companies/{segment(company)}/quotas/{segment(pool)}"
        return self._delete(path, wire.Quota, params=_revoking(revoke, dry_run=dry_run))

    def set_share(self, company: str, pool: str, body: wire.ShareSet) -> wire.Share:
        return self._put(f"/v1/pools/{segment(pool)}/shares/{segment(company)}", body, wire.Share)

    def remove_share(self, company: str, pool: str) -> wire.Share:
        """What it has without: one share, beside the groups."""
        return self._delete(f"/v1/pools/{segment(pool)}/shares/{segment(company)}", wire.Share)

    def set_share_group(self, pool: str, group: str, body: wire.ShareGroupSet) -> wire.ShareGroup:
        """Makes the group, or gives it other shares."""
        return self._put(f"/v1/pools/{segment(pool)}/share-groups/{segment(group)}", body, wire.ShareGroup)

    def fair(self, pool: str) -> wire.FairPool:
        return self._get("/v1/fair", wire.FairPool, params={"pool": pool})

    def quotas(self, company: str) -> Iterator[wire.Quota]:
        return self._items(f"/v1/companies/{segment(company)}/quotas", wire.Page[wire.Quota])

    def all_quotas(self) -> Iterator[wire.QuotaOf]:
        """Defaults of pools and companies' own, as `import_quotas` takes them."""
        return self._items("/v1/quotas", wire.Page[wire.QuotaOf])

    def import_quotas(
        self, body: wire.QuotaImport, *, revoke: Sequence[str] = (), dry_run: bool = False
    ) -> wire.QuotaImported:
        return self._put("/v1/quotas", body, wire.QuotaImported, params=_revoking(revoke, dry_run=dry_run))

    def remove_default_quota(self, pool: str) -> wire.QuotaOf:
        return self._delete(f"/v1/quotas/{segment(pool)}", wire.QuotaOf)

    def issue_token(self, body: wire.TokenIssue) -> wire.IssuedToken:
        return self._post("/v1/tokens", body, wire.IssuedToken)

    def tokens(self) -> Iterator[wire.Token]:
        return self._items("/v1/tokens", wire.Page[wire.Token])

    def revoke_token(self, token_id: str) -> wire.Token:
        path = f"/v1/tokens/{segment(token_id)}"
        return self._delete(path, wire.Token)

    def audit(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        subject: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        page_size: int = PAGE_SIZE,
    ) -> Iterator[wire.AuditEntry]:
        """Who did what, when and why, newest first."""
        times = {"since": as_time(since), "until": as_time(until)}
        wanted = {"actor": actor, "action": action, "subject": subject, **times}
        return self._items("/v1/audit", wire.Page[wire.AuditEntry], params=wanted, page_size=page_size)

    def violations(
        self, *, node: str | None = None, open: bool = False, page_size: int = PAGE_SIZE
    ) -> Iterator[wire.Violation]:
        """Who is, or was, on a GPU that no lease explains, newest first; with `open` those alone who are there now."""
        wanted = {"node": node, "open": "true" if open else None}
        return self._items("/v1/violations", wire.Page[wire.Violation], params=wanted, page_size=page_size)

    def ledger(
        self,
        pool: str,
        *,
        company: str | None = None,
        lease: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        page_size: int = PAGE_SIZE,
    ) -> Iterator[wire.LedgerEntry]:
        """What was granted, committed, settled and given back, newest first; a company's own unless staff say whose."""
        times = {"since": as_time(since), "until": as_time(until)}
        wanted = {"company": company, "pool": pool, "lease": lease, **times}
        return self._items("/v1/ledger", wire.Page[wire.LedgerEntry], params=wanted, page_size=page_size)

    def verify_ledger(self, *, company: str | None = None, pool: str | None = None) -> wire.LedgerCheck:
        """The ledger added up again; all that may be seen unless a company or pool is said."""
        wanted = {"company": company, "pool": pool}
        sent = self._connection.send(
            "GET", "/v1/ledger/verify", params=wanted, repeatable=False, timeout_s=LONGEST_SUM_S
        )
        return self._parsed(sent, wire.LedgerCheck)

    def checkup(self) -> wire.Checkup:
        """How Dure is, for admins and operators; also while its database is away."""
        return self._get("/v1/checkup", wire.Checkup)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document of the API that answers, as it is."""
        found: dict[str, Any] = json.loads(self._connection.send("GET", "/openapi.json", repeatable=True))
        return found

    def adjust_ledger(self, body: wire.LedgerAdjust) -> wire.LedgerEntry:
        """Gives to an account or takes from it; needs the client's `why`."""
        return self._post("/v1/ledger/adjustments", body, wire.LedgerEntry)

    # --- pools, nodes ----------------------------------------------------------------------------------------------

    def add_pool(self, body: wire.PoolCreate) -> wire.Pool:
        """Needs the client's `why`."""
        return self._post("/v1/pools", body, wire.Pool)

    def pools(self) -> Iterator[wire.Pool]:
        return self._items("/v1/pools", wire.Page[wire.Pool])

    def pool(self, name: str) -> wire.Pool:
        return self._get(f"/v1/pools/{segment(name)}", wire.Pool)

    def enroll_node(self, body: wire.NodeEnroll, *, renew: bool = False) -> wire.IssuedToken:
        """Enrols the node and makes its token; `renew` revokes the tokens of one that is enrolled and makes another."""
        return self._post("/v1/nodes", body, wire.IssuedToken, params={"renew": "true"} if renew else None)

    def make_join_token(self, node: str, body: wire.JoinTokenIssue) -> wire.IssuedToken:
        """Makes the node if there is none, and a token that its agent joins with, once."""
        return self._post(f"/v1/nodes/{segment(node)}/join-tokens", body, wire.IssuedToken)

    def nodes(self) -> Iterator[wire.Node]:
        return self._items("/v1/nodes", wire.Page[wire.Node])

    def node(self, name: str) -> wire.Node:
        return self._get(f"/v1/nodes/{segment(name)}", wire.Node)

    def node_events(self, name: str, *, page_size: int = PAGE_SIZE) -> Iterator[wire.KeptEvent]:
        """What happened on it, the newest first."""
        return self._items(f"/v1/nodes/{segment(name)}/events", wire.Page[wire.KeptEvent], page_size=page_size)

    def drain(self, node: str, body: wire.DrainNode) -> wire.Drained:
        """Takes a node out of service for a while."""
        return self._post(f"/v1/nodes/{segment(node)}/drain", body, wire.Drained)

    def preview_drain(self, node: str, body: wire.DrainNode) -> wire.Drained:
        return self._dry(f"/v1/nodes/{segment(node)}/drain", wire.Drained, body)

    def resume(self, node: str) -> wire.Drained:
        """Gives a drained node back now."""
        return self._post(f"/v1/nodes/{segment(node)}/resume", None, wire.Drained)

    def preview_resume(self, node: str) -> wire.Drained:
        return self._dry(f"/v1/nodes/{segment(node)}/resume", wire.Drained)

    def label_node(self, node: str, body: wire.NodeLabels) -> wire.Node:
        """Says where a node stands. What is left out stays."""
        return self._patch(f"/v1/nodes/{segment(node)}/labels", body, wire.Node)

    def change_pool(self, pool: str, body: wire.PoolChange) -> wire.Pool:
        """Says where its leases are enforced. What is left out stays."""
        return self._patch(f"/v1/pools/{segment(pool)}", body, wire.Pool)

    def change_policy(self, pool: str, body: wire.PolicyChange) -> wire.Pool:
        """Changes how a pool promises; needs the client's `why`. What is left out stays."""
        return self._patch(f"/v1/pools/{segment(pool)}/policy", body, wire.Pool)

    def policy(self, version: int | None = None) -> wire.Policy:
        """A version of the policy; the live one unless it is said."""
        return self._get("/v1/policy", wire.Policy, {"version": version})

    def put_policy(self, body: wire.PolicyPut) -> wire.PolicyApplied:
        """Makes it the live policy; needs the client's `why`. Raises PolicyMoved, PolicyRefused."""
        return self._put("/v1/policy", body, wire.PolicyApplied)

    def preview_policy(self, body: wire.PolicyPut) -> wire.PolicyApplied:
        return self._dry("/v1/policy", wire.PolicyApplied, body, method="PUT")

    def policy_versions(self, *, page_size: int = PAGE_SIZE) -> Iterator[wire.PolicyVersion]:
        """Newest first."""
        return self._items("/v1/policy/history", wire.Page[wire.PolicyVersion], page_size=page_size)

    def report(self, node: str, body: wire.Report) -> wire.ReportAnswer:
        """Sends a node's report, compressed. Never repeated: the next report says it all again."""
        answer = self._connection.send(
            "POST",
            f"/v1/nodes/{segment(node)}/reports",
            json=gzip.compress(as_json(body) or b"", mtime=0),
            headers={"Content-Encoding": "gzip"},
            repeatable=False,
        )
        return self._parsed(answer, wire.ReportAnswer)

    # --- leases ----------------------------------------------------------------------------------------------------

    def ask(self, body: wire.Ask, *, idempotency_key: str | None = None) -> wire.Lease:
        """The lease, scheduled or queued. Raises Refused, with the stored decision and the lease's id.

        The same key with the same ask gives the same lease again, also from another process.
        """
        return self._post("/v1/leases", body, wire.Lease, key=idempotency_key)

    def quote(self, body: wire.Ask) -> wire.Quote:
        """What would be decided now, a refusal too. Nothing is stored or held."""
        return self._dry("/v1/leases", wire.Quote, body)

    def leases(
        self,
        *,
        company: str | None = None,
        pool: str | None = None,
        name: str | None = None,
        states: Iterable[wire.LeaseState] = (),
        page_size: int = PAGE_SIZE,
    ) -> Iterator[wire.Lease]:
        """Newest first."""
        found = {"company": company, "pool": pool, "name": name, "state": [str(state) for state in states]}
        return self._items("/v1/leases", wire.Page[wire.Lease], params=found, page_size=page_size)

    def lease(self, lease_id: str) -> wire.Lease:
        return self._get(f"/v1/leases/{segment(lease_id)}", wire.Lease)

    def explain(self, lease_id: str) -> wire.Explanation:
        """Everything that happened to the lease in words, each with the decision that made it."""
        return self._get(f"/v1/leases/{segment(lease_id)}/explain", wire.Explanation)

    def lease_events(self, lease_id: str) -> Iterator[wire.LeaseEvent]:
        """Oldest first."""
        return self._items(f"/v1/leases/{segment(lease_id)}/events", wire.Page[wire.LeaseEvent])

    def release(self, lease_id: str) -> wire.Lease:
        """Ends an active lease now."""
        return self._post(f"/v1/leases/{segment(lease_id)}/release", None, wire.Lease)

    def keep(self, lease_id: str) -> wire.Lease:
        """Keeps an active lease that would be given back, as nothing or hardly anything runs on it. Raises KeepsSpent."""
        return self._post(f"/v1/leases/{segment(lease_id)}/keep", None, wire.Lease)

    def preview_release(self, lease_id: str) -> wire.EndPreview:
        return self._dry(f"/v1/leases/{segment(lease_id)}/release", wire.EndPreview)

    def cancel(self, lease_id: str) -> wire.Lease:
        """Gives up a queued or scheduled lease."""
        return self._post(f"/v1/leases/{segment(lease_id)}/cancel", None, wire.Lease)

    def preview_cancel(self, lease_id: str) -> wire.EndPreview:
        return self._dry(f"/v1/leases/{segment(lease_id)}/cancel", wire.EndPreview)

    def extend(self, lease_id: str, body: wire.Extend) -> wire.Amended:
        """More time for a scheduled or active lease."""
        return self._post(f"/v1/leases/{segment(lease_id)}/extend", body, wire.Amended)

    def preview_extend(self, lease_id: str, body: wire.Extend) -> wire.Amended:
        return self._dry(f"/v1/leases/{segment(lease_id)}/extend", wire.Amended, body)

    def shrink(self, lease_id: str, body: wire.Shrink) -> wire.Amended:
        """An earlier end, or fewer nodes or GPUs."""
        return self._post(f"/v1/leases/{segment(lease_id)}/shrink", body, wire.Amended)

    def preview_shrink(self, lease_id: str, body: wire.Shrink) -> wire.Amended:
        return self._dry(f"/v1/leases/{segment(lease_id)}/shrink", wire.Amended, body)

    def resize(self, lease_id: str, body: wire.Resize) -> wire.Amended:
        """More or fewer nodes or GPUs; more is for inference leases."""
        return self._post(f"/v1/leases/{segment(lease_id)}/resize", body, wire.Amended)

    def preview_resize(self, lease_id: str, body: wire.Resize) -> wire.Amended:
        return self._dry(f"/v1/leases/{segment(lease_id)}/resize", wire.Amended, body)

    def set_renewal(self, lease_id: str, body: wire.Renewal) -> wire.Lease:
        """Whether an inference lease renews itself."""
        return self._put(f"/v1/leases/{segment(lease_id)}/renewal", body, wire.Lease)

    def search_offers(self, body: wire.OfferSearch) -> wire.Offers:
        """Several different windows, each claimable by its id for a few minutes."""
        return self._post("/v1/offers", body, wire.Offers)

    def offer(self, offer_id: str) -> wire.Offer:
        return self._get(f"/v1/offers/{segment(offer_id)}", wire.Offer)

    def offers(self, *, company: str | None = None) -> Iterator[wire.Offer]:
        """Those that can be claimed now, newest first."""
        return self._items("/v1/offers", wire.Page[wire.Offer], params={"company": company})

    def claim_offer(self, offer_id: str, body: wire.OfferClaim | None = None) -> wire.Lease:
        """The lease. Raises OfferGone and OfferExpired with fresh offers in them."""
        return self._post(f"/v1/offers/{segment(offer_id)}/claim", body or wire.OfferClaim(), wire.Lease)

    # --- decisions ---------------------------------------------------------------------------------------------------

    def decision(self, decision_id: str) -> wire.DecisionRecord:
        """From what it was made, whom it looked at, and what each got."""
        return self._get(f"/v1/decisions/{segment(decision_id)}", wire.DecisionRecord)

    def replay(self, decision_id: str) -> wire.Replayed:
        """Makes the decision again from the history. Raises DecisionDiffers, HistoryIncomplete."""
        path = f"/v1/decisions/{segment(decision_id)}/replay"
        return self._parsed(self._connection.send("POST", path, repeatable=True), wire.Replayed)

    # --- the pool over time -----------------------------------------------------------------------------------------------

    def calendar(self, pool: str, *, since: datetime | None = None, until: datetime | None = None) -> wire.Calendar:
        """The pool over `[since, until)`; the server's defaults are now and 24 hours later."""
        return self._get(
            "/v1/calendar", wire.Calendar, {"pool": pool, "since": as_time(since), "until": as_time(until)}
        )

    def what_if(self, body: wire.WhatIf) -> wire.WhatIfAnswer:
        """What would be different with these changes, now or in the past. Nothing is changed."""
        sent = self._connection.send("POST", "/v1/whatif", json=as_json(body), repeatable=True)
        return self._parsed(sent, wire.WhatIfAnswer)


def _revoking(revoke: Sequence[str], *, dry_run: bool) -> dict[str, list[str] | str | None]:
    return {"revoke": list(revoke), "dry_run": "true" if dry_run else None}
