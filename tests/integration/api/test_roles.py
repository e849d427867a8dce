"""Who may do what: every operation with every role, and tokens that are no tokens any more."""

from typing import Any

import pytest

from api import examples
from dure import wire
from scheduler.store import tokens
from tests.integration.api.conftest import Site, code, token
from tests.integration.scheduler.conftest import ADMIN, T0

ADMINS, OPERATORS, NODES, JOINING = {"admin"}, {"admin", "operator"}, {"n1"}, {"joining"}
STAFF = {"admin", "operator", "auditor"}
PEOPLE, READERS = {"admin", "acme"}, {*STAFF, "acme"}

MAY = {
    "add_company": ADMINS,
    "close_company": ADMINS,
    "list_clusters": STAFF,
    "show_checkup": OPERATORS,
    "show_lease_access": READERS,
    "make_lease_key": PEOPLE,
    "list_lease_pods": READERS,
    "list_lease_logs": PEOPLE,
    "show_company_access": READERS,
    "make_company_key": PEOPLE,
    "list_company_pods": READERS,
    "reopen_company": ADMINS,
    "add_pool": ADMINS,
    "add_webhook": PEOPLE,
    "ask": PEOPLE,
    "cancel_lease": PEOPLE,
    "keep_lease": PEOPLE,
    "enable_webhook": PEOPLE,
    "enroll_node": ADMINS,
    "issue_token": ADMINS,
    "list_all_quotas": STAFF,
    "list_audit": STAFF,
    "list_companies": STAFF,
    "list_deliveries": READERS,
    "list_events": READERS,
    "list_lease_events": READERS,
    "list_leases": READERS,
    "list_ledger": READERS,
    "verify_ledger": READERS,
    "adjust_ledger": ADMINS,
    "list_nodes": STAFF,
    "list_node_events": STAFF,
    "list_pools": READERS,
    "list_quotas": READERS,
    "list_tokens": STAFF,
    "list_violations": STAFF,
    "drain_node": OPERATORS,
    "change_quota": ADMINS,
    "claim_offer": PEOPLE,
    "extend_lease": PEOPLE,
    "search_offers": PEOPLE,
    "show_offer": READERS,
    "label_node": OPERATORS,
    "list_offers": READERS,
    "list_webhooks": READERS,
    "resume_node": OPERATORS,
    "change_policy": ADMINS,
    "change_company": ADMINS,
    "change_pool": ADMINS,
    "put_policy": ADMINS,
    "show_policy": STAFF,
    "list_policy_versions": STAFF,
    "explain_lease": READERS,
    "release_lease": PEOPLE,
    "remove_default": ADMINS,
    "remove_quota": ADMINS,
    "remove_webhook": PEOPLE,
    "replay_decision": READERS,
    "set_renewal": PEOPLE,
    "resize_lease": PEOPLE,
    "shrink_lease": PEOPLE,
    "make_join_token": ADMINS,
    "join_node": JOINING,
    "renew_credential": NODES,
    "report_node": NODES,
    "revoke_token": ADMINS,
    "rotate_webhook": PEOPLE,
    "set_quota": ADMINS,
    "set_quotas": ADMINS,
    "set_share": ADMINS,
    "remove_share": ADMINS,
    "set_group": ADMINS,
    "show_fair": READERS,
    "show_calendar": READERS,
    "show_company": READERS,
    "show_decision": READERS,
    "show_lease": READERS,
    "show_node": STAFF,
    "show_pool": READERS,
    "show_report": READERS,
    "show_usage": READERS,
    "show_webhook": READERS,
    "test_webhook": PEOPLE,
    "what_if": STAFF,
}
"""By operation; whoever is not named is forbidden."""

NAMES = {
    "company": "acme",
    "pool": "h100",
    "group": "seed",
    "node": "n1",
    "lease": "lea_0",
    "token": "tok_0",
    "offer": "off_0",
    "webhook": "whk_0",
    "decision": "dec_0",
}


def operations(site: Site) -> dict[str, tuple[str, str]]:
    """Method and address of every operation that wants a token."""
    return {
        operation["operationId"]: (method.upper(), path.format(**NAMES))
        for path, methods in site.app.openapi()["paths"].items()
        for method, operation in methods.items()
        if "security" in operation
    }


def body(operation: str) -> dict[str, Any]:
    sent = examples.requests(operation)
    return {"json": sent[0]} if sent else {}


def test_every_operation_is_for_the_roles_that_are_written_here(site: Site) -> None:
    found = operations(site)
    assert set(found) == set(MAY)
    wrong: list[str] = []
    site.secrets["joining"] = site.post("admin", "/v1/nodes/n1/join-tokens", json={}).json()["secret"]
    # Who joins last, as it ends the other tokens of its node.
    for who in ("operator", "auditor", "acme", "n1", "joining", "admin"):
        with site.client(who) as client:
            for operation, (method, path) in found.items():
                status = client.request(method, path, **body(operation)).status_code
                if (status == 403) is (who in MAY[operation]) or status in (401, 500):
                    wrong.append(f"{operation} as {who} is {status}")
    assert not wrong


def test_nothing_is_done_without_a_token(standing: Site) -> None:
    with standing.client() as client:
        for method, path in operations(standing).values():
            answer = client.request(method, path)
            assert code(answer) == (401, "token_missing"), path
            assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "secret", ["dure_nonsense", "x" * 5000, "é", "dure_ x"], ids=["unknown", "endless", "not ASCII", "two words"]
)
def test_a_wrong_token_is_told_that_it_is_unknown(standing: Site, secret: str) -> None:
    headers = {b"Authorization": f"Bearer {secret}".encode("latin-1")}
    answer = standing.get(None, "/v1/pools", headers=headers)
    assert code(answer) == (401, "token_invalid")
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def test_a_revoked_token_serves_nothing_from_that_moment_on(site: Site) -> None:
    with site.client("acme") as client:
        assert client.get("/v1/pools").status_code == 200
        mine = next(found for found in site.get("admin", "/v1/tokens").json()["items"] if found["company"] == "acme")
        assert site.send("admin", "DELETE", f"/v1/tokens/{mine['id']}").json()["revoked_at"] is not None
        assert code(client.get("/v1/pools")) == (401, "token_revoked")
        assert code(client.post("/v1/leases", json={})) == (401, "token_revoked")


def test_an_expired_token_serves_nothing(site: Site) -> None:
    site.secrets["short"] = token(site.world.db, role="company", company="acme", expires_at="2027-01-15T09:00:00Z")
    assert site.get("short", "/v1/pools").status_code == 200
    site.clock.at = T0 + 3600
    assert code(site.get("short", "/v1/pools")) == (401, "token_expired")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/companies/globex",
        "/v1/companies/nobody",
        "/v1/companies/globex/quotas",
        "/v1/usage?company=globex",
        "/v1/reports?company=globex",
        "/v1/ledger?pool=h100&company=globex",
        "/v1/ledger/verify?company=globex",
        "/v1/leases?company=globex",
        "/v1/events?company=globex",
        "/v1/webhooks?company=globex",
    ],
)
def test_a_company_is_told_nothing_of_another_nor_whether_it_is_there(standing: Site, path: str) -> None:
    assert code(standing.get("acme", path)) == (403, "forbidden")


def test_a_company_sees_its_own(standing: Site) -> None:
    for path in (
        "/v1/companies/acme",
        "/v1/companies/acme/quotas",
        "/v1/usage?company=acme",
        "/v1/reports?company=acme",
        "/v1/ledger?pool=h100&company=acme",
        "/v1/ledger/verify?company=acme",
        "/v1/leases?company=acme",
    ):
        assert standing.get("acme", path).status_code == 200, path


def test_another_companys_lease_is_as_unknown_as_one_that_is_not_there(site: Site) -> None:
    theirs = site.ask("globex").json()["id"]
    with site.client("acme") as client:
        for lease in (theirs, "lea_0000000000000000none"):
            answers = [
                client.get(f"/v1/leases/{lease}"),
                client.get(f"/v1/leases/{lease}/events"),
                client.post(f"/v1/leases/{lease}/release"),
                client.post(f"/v1/leases/{lease}/cancel"),
                client.post(f"/v1/leases/{lease}/release?dry_run=true"),
                client.post(f"/v1/leases/{lease}/cancel?dry_run=true"),
            ]
            assert [code(answer) for answer in answers] == [(404, "unknown_lease")] * 6
    assert site.get("globex", f"/v1/leases/{theirs}").json()["state"] == "scheduled"


def test_a_company_asks_for_itself_and_an_admin_says_for_whom(site: Site) -> None:
    assert code(site.ask("acme", company="globex")) == (403, "forbidden")
    assert site.ask("acme", company="acme").json()["company"] == "acme"
    assert site.ask("admin", company="globex").json()["company"] == "globex"
    assert code(site.ask("admin")) == (422, "invalid_request")
    assert code(site.ask("admin", company="nobody")) == (404, "unknown_company")


def test_in_the_calendar_other_companies_have_sizes_but_no_names(site: Site) -> None:
    site.ask("acme", 4)
    site.ask("globex", 2)
    seen = {
        who: [
            (booking["company"], booking["gpus"])
            for booking in site.get(who, "/v1/calendar?pool=h100").json()["bookings"]
        ]
        for who in ("acme", "admin")
    }
    assert sorted(seen["acme"], key=str) == [("acme", 4), (None, 2)]
    assert sorted(seen["admin"]) == [("acme", 4), ("globex", 2)]


@pytest.mark.parametrize("who", ["operator", "auditor"])
def test_who_oversees_sees_a_companys_pods_and_reads_nothing_that_they_wrote(site: Site, who: str) -> None:
    lease = site.ask("acme").json()["id"]
    assert site.get(who, f"/v1/leases/{lease}/pods").status_code == 200
    assert code(site.get(who, f"/v1/leases/{lease}/logs")) == (403, "forbidden")
    assert site.get("admin", f"/v1/leases/{lease}/logs").status_code == 200


def test_a_node_reports_for_itself_alone(site: Site) -> None:
    report = examples.requests("report_node")[0]
    assert code(site.post("n1", "/v1/nodes/n2/reports", json=report)) == (403, "wrong_node")
    assert code(site.post("n1", "/v1/nodes/nobody/reports", json=report)) == (403, "wrong_node")
    assert site.post("n1", "/v1/nodes/n1/reports", json=report).status_code == 200


def test_renewing_a_nodes_token_ends_the_one_it_had(site: Site) -> None:
    report = examples.requests("report_node")[0]
    renewed = site.post("admin", "/v1/nodes?renew=true", json={"name": "n1"})
    assert renewed.status_code == 201
    assert code(site.post("n1", "/v1/nodes/n1/reports", json=report)) == (401, "token_revoked")
    site.secrets["n1"] = renewed.json()["secret"]
    assert site.post("n1", "/v1/nodes/n1/reports", json=report).status_code == 200


def test_a_token_is_kept_as_a_hash_alone(site: Site) -> None:
    issued = site.post("admin", "/v1/tokens", json={"role": "admin"}, headers={"Idempotency-Key": "k"}).json()
    with site.world.db.snapshot() as session:
        assert tokens.authenticate(session, issued["secret"], T0).role == ADMIN.role
        rows = session.connection().exec_driver_sql("SELECT t::text FROM token t").scalars().all()
        kept = session.connection().exec_driver_sql("SELECT body FROM idempotent_answer").scalars().all()
    assert issued["secret"].encode() not in b"".join(bytes(found) for found in kept)
    assert not [row for row in rows if issued["secret"] in row]
    assert [wire.Token.model_validate(found) for found in site.get("admin", "/v1/tokens").json()["items"]]
