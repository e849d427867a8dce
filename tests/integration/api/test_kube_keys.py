"""Keys to clusters over HTTP: who gets which, until when, and what is said where there is none."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dure import kube
from dure.errors import ClusterAway
from scheduler.kube import keys as making
from scheduler.kube.clusters import ClusterAddress
from scheduler.kube.keys import Keys
from scheduler.store import pools
from scheduler.store.db import Database
from tests.integration.api.conftest import Site, code, opened
from tests.integration.scheduler.conftest import T0, World
from tests.kube_server import TOKEN, KubeServer, kube_server


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeServer]:
    monkeypatch.setattr(making, "TIMEOUT_S", 60)
    with kube_server(lambda: T0, tmp_path) as found:
        yield found


@pytest.fixture
def site(database: Database, there: KubeServer) -> Iterator[Site]:
    """Its pool is enforced by `main`."""
    keys = Keys((ClusterAddress(name="main", kubeconfig=str(there.kubeconfig)),), {"edge": "https://edge.example:6443"})
    with opened(World(database).found(), keys=keys) as found:
        enforce(found, "main")
        yield found


def enforce(site: Site, cluster: str | None) -> None:
    with site.world.db.begin() as session:
        row = pools.row(session, "h100")
        row.cluster = cluster  # as nobody may while leases of it are booked
        session.add(row)


def running(site: Site, **more: Any) -> str:
    lease = site.ask("acme", **more).json()["id"]
    site.world.turn(T0)
    return lease


def test_a_lease_that_runs_has_a_key_of_its_own_account(site: Site, there: KubeServer) -> None:
    lease = running(site, duration_s=7200)
    made = site.post("acme", f"/v1/leases/{lease}/kube-token")
    assert made.json() == {"token": TOKEN, "expires_at": "2027-01-15T08:10:00Z"}
    account = f"/api/v1/namespaces/dure-co-acme/serviceaccounts/{kube.lease_account(lease)}/token"
    assert [(path, body["spec"]) for path, body in there.asked] == [(account, {"expirationSeconds": 600})]


def test_a_key_that_shall_last_ends_with_its_lease(site: Site, there: KubeServer) -> None:
    lease = running(site, duration_s=7200)
    made = site.post("acme", f"/v1/leases/{lease}/kube-token", params={"lasts_s": 86_400})
    assert made.json()["expires_at"] == "2027-01-15T10:00:00Z"
    assert there.asked[-1][1]["spec"]["expirationSeconds"] == 7200


def test_near_the_end_it_is_said_to_be_worth_nothing_after_it(site: Site, there: KubeServer) -> None:
    """No API server makes one that lives so short; its account goes at the end."""
    lease = running(site, duration_s=100)
    made = site.post("acme", f"/v1/leases/{lease}/kube-token")
    assert made.json()["expires_at"] == "2027-01-15T08:01:40Z"
    assert there.asked[-1][1]["spec"]["expirationSeconds"] == 600


def test_before_its_start_and_after_its_end_a_lease_has_no_key(site: Site, there: KubeServer) -> None:
    later = site.ask("acme", start="2027-01-15T09:00:00Z").json()["id"]
    refused = site.post("acme", f"/v1/leases/{later}/kube-token")
    assert code(refused) == (409, "wrong_state")
    assert "dure kubeconfig --company acme" in refused.json()["detail"]
    lease = running(site)
    site.post("acme", f"/v1/leases/{lease}/release")
    assert code(site.post("acme", f"/v1/leases/{lease}/kube-token")) == (409, "wrong_state")
    site.world.turn(T0 + 1)
    assert code(site.get("acme", f"/v1/leases/{lease}/kubeconfig")) == (409, "wrong_state")
    assert there.asked == []


def test_a_company_gets_no_key_of_another_and_an_auditor_none_at_all(site: Site, there: KubeServer) -> None:
    lease = running(site)
    assert code(site.post("globex", f"/v1/leases/{lease}/kube-token")) == (404, "unknown_lease")
    assert code(site.post("globex", "/v1/companies/acme/kube-token")) == (403, "forbidden")
    assert code(site.post("auditor", f"/v1/leases/{lease}/kube-token")) == (403, "forbidden")
    assert there.asked == []


def test_a_company_has_a_key_at_any_time_until_it_is_closed(site: Site, there: KubeServer) -> None:
    assert site.post("acme", "/v1/companies/acme/kube-token").json()["token"] == TOKEN
    assert there.asked[-1][0] == "/api/v1/namespaces/dure-co-acme/serviceaccounts/dure-company/token"
    site.post("admin", "/v1/companies/acme/close?reason=left")
    assert code(site.post("acme", "/v1/companies/acme/kube-token")) == (409, "company_closed")


def test_a_kubeconfig_has_all_but_the_key(site: Site) -> None:
    lease = site.ask("acme", start="2027-01-15T09:00:00Z").json()["id"]
    found = site.get("acme", f"/v1/leases/{lease}/kubeconfig").json()
    assert found.pop("server").startswith("http://127.0.0.1:")
    assert found == {
        "cluster": "main",
        "certificate_authority": None,
        "namespace": "dure-co-acme",
        "company": "acme",
        "lease": lease,
    }
    assert site.get("acme", "/v1/companies/acme/kubeconfig").json()["lease"] is None


def test_a_pool_that_no_cluster_enforces_has_no_keys(site: Site) -> None:
    lease = running(site)
    enforce(site, None)
    assert code(site.post("acme", f"/v1/leases/{lease}/kube-token")) == (409, "not_enforced")
    assert code(site.post("acme", "/v1/companies/acme/kube-token")) == (409, "not_enforced")


def test_a_cluster_that_this_server_is_not_told_of_is_named(site: Site) -> None:
    lease = running(site)
    enforce(site, "edge")
    refused = site.post("acme", f"/v1/leases/{lease}/kube-token")
    assert code(refused) == (404, "unknown_cluster")
    assert "DURE_API_CLUSTERS" in refused.json()["detail"]
    assert code(site.get("acme", "/v1/companies/acme/kubeconfig?cluster=main")) == (404, "unknown_cluster")


@pytest.mark.parametrize(
    ("refusal", "want"),
    [
        ((404, "NotFound", "serviceaccounts not found"), (503, "key_not_made")),
        ((403, "Forbidden", "no right to create tokens"), (424, "cluster_refused")),
        ((429, "TooManyRequests", "busy"), (503, "cluster_away")),
        ((500, "InternalError", "etcd is away"), (503, "cluster_away")),
    ],
)
def test_what_the_cluster_says_is_told_on(
    site: Site, there: KubeServer, refusal: tuple[int, str, str], want: tuple[int, str]
) -> None:
    lease = running(site)
    there.refusal = refusal
    refused = site.post("acme", f"/v1/leases/{lease}/kube-token")
    assert code(refused) == want
    assert ("retry-after" in refused.headers) is (want[0] == 503)


def test_a_cluster_that_is_away_is_tried_again_when_it_says(site: Site, there: KubeServer) -> None:
    lease = running(site)
    there.refusal, there.retry_after = (503, "ServiceUnavailable", "starting"), "7"
    assert site.post("acme", f"/v1/leases/{lease}/kube-token").headers["retry-after"] == "7"


def test_a_cluster_that_is_gone_is_away(site: Site, database: Database, there: KubeServer) -> None:
    lease, path = running(site), there.kubeconfig
    path.write_text(path.read_text().replace(str(there.port), "1"))
    gone = Keys((ClusterAddress(name="main", kubeconfig=str(path)),))
    site.app.state.parts = replace(site.app.state.parts, keys=gone)
    refused = site.post("acme", f"/v1/leases/{lease}/kube-token")
    assert (code(refused), "retry-after" in refused.headers) == ((503, "cluster_away"), True)


def test_a_life_that_is_too_short_or_too_long_is_refused(site: Site) -> None:
    for lasts_s in (599, 2_592_001, "soon"):
        answer = site.post("acme", "/v1/companies/acme/kube-token", params={"lasts_s": lasts_s})
        assert code(answer) == (422, "invalid_request")


def test_a_key_lives_no_longer_than_the_chart_lets_us_make_one_and_says_until_when(
    site: Site, there: KubeServer
) -> None:
    address = ClusterAddress(name="main", kubeconfig=str(there.kubeconfig))
    site.app.state.parts = replace(site.app.state.parts, keys=Keys((address,), longest_s=3600))
    made = site.post("acme", "/v1/companies/acme/kube-token", params={"lasts_s": 2_592_000})
    assert made.json()["expires_at"] == "2027-01-15T09:00:00Z"
    assert there.asked[-1][1]["spec"]["expirationSeconds"] == 3600


def test_a_cluster_that_hangs_keeps_nobody_from_the_keys_of_another(there: KubeServer, tmp_path: Path) -> None:
    (tmp_path / "edge").mkdir()
    with kube_server(lambda: T0, tmp_path / "edge") as edge, ThreadPoolExecutor(making.AT_ONCE) as threads:
        addresses = [
            ClusterAddress(name=name, kubeconfig=str(one.kubeconfig)) for name, one in (("main", there), ("edge", edge))
        ]
        keys, there.hangs = Keys(addresses), threading.Event()
        hanging = [threads.submit(keys.make, "main", "acme", "dure-company", 600) for _ in range(making.AT_ONCE)]
        while len(there.asked) < making.AT_ONCE:
            assert not any(one.done() for one in hanging)
            time.sleep(0.01)
        with pytest.raises(ClusterAway, match="too many keys"):
            keys.make("main", "acme", "dure-company", 600)
        assert keys.make("edge", "acme", "dure-company", 600).token == TOKEN
        there.hangs.set()
        assert [one.result().token for one in hanging] == [TOKEN] * making.AT_ONCE


def lines(site: Site, subject: str) -> list[tuple[str, Any, str]]:
    """What the audit log tells of keys, the oldest first: by whose token, of which kind, and until when."""
    found = site.get("auditor", "/v1/audit", params={"action": "key.make", "subject": subject}).json()["items"]
    return [
        (one["actor"].rpartition(":")[0], one["after"]["static"], one["after"]["expires_at"]) for one in found[::-1]
    ]


def test_who_was_given_a_key_is_in_the_audit_log_and_the_key_is_not(site: Site) -> None:
    lease = running(site, duration_s=7200)
    site.post("acme", f"/v1/leases/{lease}/kube-token")
    site.post("admin", "/v1/companies/acme/kube-token", params={"lasts_s": 86_400})
    assert lines(site, lease) == [("company:acme", False, T0 + 600)]
    assert lines(site, "acme") == [("admin", True, T0 + 86_400)]
    assert site.get("auditor", "/v1/audit?action=key").json()["items"][0]["after"]["cluster"] == "main"
    with site.world.db.snapshot() as session:
        kept = session.connection().exec_driver_sql("SELECT a::text FROM audit a").scalars().all()
    assert not [row for row in kept if TOKEN in row]


def test_a_key_that_is_fetched_again_and_again_is_one_line_an_hour_for_each_token(site: Site) -> None:
    path = "/v1/companies/acme/kube-token"
    for at in (0, 300, 3599, 3600, 3700):
        site.clock.at = T0 + at
        assert site.post("acme", path).status_code == 200
    site.post("admin", path)
    found = site.get("auditor", "/v1/audit", params={"action": "key.make"}).json()["items"][::-1]
    told = [(one["actor"].split(":")[0], one["at"]) for one in found]
    assert told == [
        ("company", "2027-01-15T08:00:00Z"),
        ("company", "2027-01-15T09:00:00Z"),
        ("admin", "2027-01-15T09:01:40Z"),
    ]


def test_every_static_key_is_a_line_and_stands_for_no_other(site: Site) -> None:
    for params in ({"lasts_s": 86_400}, {}, {"lasts_s": 86_400}, {"lasts_s": 600}):
        assert site.post("acme", "/v1/companies/acme/kube-token", params=params).status_code == 200
    assert [static for _, static, _ in lines(site, "acme")] == [True, False, True]


def test_a_key_that_was_not_made_is_no_line(site: Site, there: KubeServer) -> None:
    there.refusal = (500, "InternalError", "etcd is away")
    assert site.post("acme", "/v1/companies/acme/kube-token").status_code == 503
    assert lines(site, "acme") == []


def test_whose_token_is_revoked_while_the_cluster_hangs_is_given_no_key(site: Site, there: KubeServer) -> None:
    there.hangs = threading.Event()
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(site.post, "acme", "/v1/companies/acme/kube-token")
        while not there.asked:
            assert not asked.done()
            time.sleep(0.01)
        mine = next(one for one in site.get("admin", "/v1/tokens").json()["items"] if one["company"] == "acme")
        site.send("admin", "DELETE", f"/v1/tokens/{mine['id']}")
        there.hangs.set()
        assert code(asked.result()) == (401, "token_revoked")
