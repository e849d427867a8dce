"""Agents join and renew their credentials over HTTP, and each says only what its own node has."""

import base64
import hashlib
import os
import subprocess
import sys
import threading
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import httpx
import pytest

from agents.identity import exchange
from agents.identity.joining import OwnCredential
from api import examples, vouching
from dure.errors import DureError, TokenInvalid
from scheduler.kube.clusters import ClusterAddress
from scheduler.kube.reviews import Reviews
from scheduler.store.credentials import LIFE_S
from scheduler.store.tokens import OVERLAP_S
from tests.cluster.daemons import until
from tests.integration.api.conftest import Site, code, opened
from tests.integration.scheduler.conftest import T0, world_on
from tests.kube_server import kube_server
from tests.servers import Server

NODE = "/v1/nodes/n1"


def proposed(secret: str) -> dict[str, str]:
    return {"secret_sha256": hashlib.sha256(secret.encode()).hexdigest()}


def join_token(site: Site, node: str = "n1", **body: Any) -> str:
    made = site.post("admin", f"/v1/nodes/{node}/join-tokens", json=body)
    assert made.status_code == 201, made.text
    return made.json()["secret"]


def joined(site: Site, secret: str = "mine") -> dict[str, Any]:
    site.secrets["joining"], site.secrets[secret] = join_token(site), secret
    return site.post("joining", f"{NODE}/join", json=proposed(secret)).raise_for_status().json()


def renewed(site: Site, who: str, secret: str) -> httpx.Response:
    site.secrets[secret] = secret
    return site.post(who, f"{NODE}/credential", json=proposed(secret))


def report(site: Site, who: str, node: str = "n1") -> httpx.Response:
    return site.post(who, f"/v1/nodes/{node}/reports", json=examples.requests("report_node")[0])


def audited(site: Site, action: str) -> list[dict[str, Any]]:
    return site.get("admin", f"/v1/audit?action={action}").json()["items"]


def test_an_agent_joins_and_reports_for_its_node_alone(site: Site) -> None:
    made = joined(site)
    assert (made["node"], made["lasts_s"]) == ("n1", LIFE_S)
    assert report(site, "mine").status_code == 200
    assert code(report(site, "mine", "n2")) == (403, "wrong_node")
    assert code(report(site, "n1")) == (401, "token_revoked")


def test_a_join_token_joins_its_own_node_and_does_nothing_else(site: Site) -> None:
    site.secrets["joining"] = join_token(site)
    assert code(report(site, "joining")) == (403, "forbidden")
    assert code(site.post("joining", "/v1/nodes/n2/join", json=proposed("x"))) == (403, "wrong_node")
    assert code(site.post("n1", f"{NODE}/join", json=proposed("x"))) == (403, "forbidden")


def test_a_second_use_of_a_join_token_is_refused_and_written_down(site: Site) -> None:
    joined(site)
    answer = site.post("joining", f"{NODE}/join", json=proposed("thief"))
    assert code(answer) == (401, "join_token_used")
    assert "dure node join-token n1" in answer.json()["detail"]
    assert code(site.post("joining", f"{NODE}/join", json=proposed("thief"))) == (401, "join_token_used")
    (line,) = audited(site, "token.reuse")
    assert (line["actor"].startswith("join:n1:tok_"), line["after"]["refused"]) == (True, "join_token_used")
    assert line["request_id"] == answer.headers["x-request-id"]
    assert report(site, "mine").status_code == 200


def test_of_two_agents_that_join_at_once_one_is_let_in(site: Site) -> None:
    site.secrets["joining"] = join_token(site)

    def join(secret: str) -> int:
        return site.post("joining", f"{NODE}/join", json=proposed(secret)).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(join, "abcd")) == [200, 401, 401, 401]
    assert len(audited(site, "node.join")) == 1


def test_credentials_follow_one_another(site: Site) -> None:
    joined(site)
    site.clock.at = T0 + LIFE_S / 2
    assert renewed(site, "mine", "next").json()["lasts_s"] == LIFE_S
    assert [report(site, who).status_code for who in ("mine", "next", "mine")] == [200] * 3
    site.clock.at += OVERLAP_S
    answer = report(site, "mine")
    assert code(answer) == (401, "token_replaced")
    assert "dure node join-token n1" in answer.json()["detail"]
    assert report(site, "next").status_code == 200
    (line,) = audited(site, "token.reuse")
    assert (line["actor"].startswith("node:n1:tok_"), line["after"]["refused"]) == (True, "token_replaced")


def test_a_revoked_credential_takes_the_one_with_it_that_was_proposed_and_not_used(site: Site) -> None:
    mine = joined(site)["token"]
    assert renewed(site, "mine", "next").status_code == 200
    assert site.send("admin", "DELETE", f"/v1/tokens/{mine}").status_code == 200
    assert code(report(site, "next")) == (401, "token_revoked")


def test_an_agent_that_was_away_for_longer_than_its_credential_joins_again(site: Site) -> None:
    joined(site)
    site.clock.at = T0 + LIFE_S
    answer = report(site, "mine")
    assert code(answer) == (401, "token_expired")
    assert "dure node join-token n1" in answer.json()["detail"]
    joined(site, "back")
    assert report(site, "back").status_code == 200


def test_a_token_of_an_admins_goes_on_to_work_and_is_not_the_agents_to_renew(site: Site) -> None:
    assert code(renewed(site, "n1", "mine")) == (409, "not_rotating")
    site.clock.at = T0 + 10 * LIFE_S
    assert report(site, "n1").status_code == 200


def test_a_join_token_that_is_revoked_lets_nobody_in(site: Site) -> None:
    site.secrets["joining"] = join_token(site)
    mine = next(one for one in site.get("admin", "/v1/tokens").json()["items"] if one["role"] == "join")
    assert site.send("admin", "DELETE", f"/v1/tokens/{mine['id']}").status_code == 200
    assert code(site.post("joining", f"{NODE}/join", json=proposed("x"))) == (401, "token_revoked")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("join", {}),
        ("join", {"secret_sha256": "x"}),
        ("join", {"secret_sha256": "A" * 64}),
        ("join-tokens", {"lasts_s": 59}),
        ("join-tokens", {"lasts_s": 2_592_001}),
    ],
)
def test_what_is_malformed_uses_no_token_up(site: Site, path: str, body: dict[str, Any]) -> None:
    site.secrets["joining"] = join_token(site)
    who = "joining" if path == "join" else "admin"
    assert code(site.post(who, f"{NODE}/{path}", json=body)) == (422, "invalid_request")
    assert site.post("joining", f"{NODE}/join", json=proposed("x")).status_code == 200


def test_a_join_token_is_not_issued_like_the_others(site: Site) -> None:
    answer = site.post("admin", "/v1/tokens", json={"role": "join", "node": "n1"})
    assert code(answer) == (422, "invalid_request")
    assert "dure node join-token" in answer.json()["detail"]


def test_a_made_up_token_of_a_cluster_is_told_that_none_is_known(site: Site) -> None:
    site.secrets["cluster"] = "a.b.c"
    answer = report(site, "cluster")
    assert code(answer) == (401, "token_invalid")
    assert "DURE_API_CLUSTERS" in answer.json()["detail"]
    assert code(site.get("cluster", "/v1/nodes")) == (401, "token_invalid")


def identity(site: Site) -> dict[str, Any]:
    return site.get("admin", NODE).json()["identity"]


def test_a_node_shows_how_its_agent_is_known_and_until_when(site: Site) -> None:
    assert (identity(site)["by"], identity(site)["ends_at"]) == ("token", None)
    made = joined(site)
    want = {"by": "credential", "token": made["token"], "ends_at": made["expires_at"], "cluster": None}
    assert identity(site) == want
    assert report(site, "mine").status_code == 200
    renewed(site, "mine", "next")
    assert identity(site) == want
    assert report(site, "next").status_code == 200
    assert identity(site)["token"] != made["token"]
    listed = {one["name"]: one["identity"] for one in site.get("admin", "/v1/nodes").json()["items"]}
    assert (listed["n1"]["by"], listed["n2"]["by"]) == ("credential", "token")
    for one in site.get("admin", "/v1/tokens").json()["items"]:
        if one["node"] == "n1" and one["revoked_at"] is None:
            site.send("admin", "DELETE", f"/v1/tokens/{one['id']}")
    assert identity(site) is None


def test_the_agents_own_code_joins_and_renews_over_the_wire(site: Site, tmp_path: Path) -> None:
    token = tmp_path / "join-token"
    token.write_text(join_token(site))
    credential = OwnCredential(
        tmp_path / "state",
        node="n1",
        join_token=token,
        post=exchange.to(site.url),
        monotonic=site.clock.now,
        now=site.clock.now,
    )
    seen = set[str]()
    for _ in range(4):
        assert credential.tend() is None
        site.secrets["agent"] = credential.header.removeprefix("Bearer ")
        assert report(site, "agent").status_code == 200
        seen.add(credential.header)
        site.clock.at += LIFE_S // 2
    assert len(seen) == 4
    assert len(audited(site, "node.join")) == 1
    token.write_text("dure_made_up")
    site.clock.at += 2 * LIFE_S
    assert credential.tend() is None
    assert report(site, "agent").status_code == 401
    token.write_text(join_token(site))
    assert credential.renew() is False
    site.clock.at += 60
    assert credential.tend() is None
    site.secrets["agent"] = credential.header.removeprefix("Bearer ")
    assert report(site, "agent").status_code == 200


def test_an_agent_that_is_started_with_a_join_token_joins_and_reports(site: Site, tmp_path: Path) -> None:
    token = tmp_path / "join-token"
    token.write_text(join_token(site, "n3"))
    said = {"SERVER": site.url, "NODE": "n3", "DRIVER": "simulated", "PORT": "0", "INTERVAL_S": "0.2"}
    said |= {"STATE": str(tmp_path / "state"), "JOIN_TOKEN_FILE": str(token)}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DURE_")}
    environ = inherited | {f"DURE_AGENT_{name}": value for name, value in said.items()}

    def reported() -> bool:
        return site.get("admin", "/v1/nodes/n3").json()["state"] == "ok"

    agent = subprocess.Popen([sys.executable, "-m", "agents"], env=environ, stderr=subprocess.DEVNULL)
    try:
        until(reported, [], within_s=120, what="the node to report")
    finally:
        agent.terminate()
        agent.wait(60)
    assert site.get("admin", "/v1/nodes/n3").json()["identity"]["by"] == "credential"
    assert (tmp_path / "state" / "credential.json").stat().st_mode & 0o777 == 0o600


def test_while_no_cluster_answers_nobody_new_is_let_in_and_agents_come_again(embedded: Server, tmp_path: Path) -> None:
    with kube_server(lambda: T0, tmp_path) as cluster:
        cluster.refusal, cluster.retry_after = (503, "ServiceUnavailable", "starting"), "7"
        reviews = Reviews([ClusterAddress(name="main", kubeconfig=str(cluster.kubeconfig))])
        with world_on(embedded) as world, opened(world, reviews=reviews) as site:
            claims = base64.urlsafe_b64encode(b'{"aud": ["dure"], "exp": 1900000000}').decode().rstrip("=")
            site.secrets["agent"] = f"e30.{claims}.c2ln"
            answer = report(site, "agent")
            assert code(answer) == (503, "cluster_away")
            assert answer.headers["retry-after"] == "7"
            assert code(site.get("agent", "/v1/nodes")) == (401, "token_invalid")
            assert len(cluster.asked) == 1
        reviews.close()


def test_tokens_that_are_made_up_keep_nobody_else_waiting(embedded: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def slow(*_: object) -> DureError:
        go_on.wait(60)
        return TokenInvalid("no cluster knows it")

    monkeypatch.setattr(Reviews, "_asked", slow)
    monkeypatch.setattr(vouching, "WAIT_S", 0.2)
    reviews = Reviews([ClusterAddress(name="main", kubeconfig="/nowhere")])
    with world_on(embedded) as world, opened(world, reviews=reviews) as site, ThreadPoolExecutor(50) as threads:
        joined(site)
        for number in range(50):
            claims = f'{{"aud": ["dure"], "exp": 1900000000, "jti": "{number}"}}'.encode()
            site.secrets[f"made-up-{number}"] = f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.c2ln"
        answers = list(threads.map(lambda number: report(site, f"made-up-{number}"), range(25)))
        again = [threads.submit(renewed, site, f"made-up-{number}", "next") for number in range(25, 50)]
        assert {code(one) for one in answers} == {(503, "cluster_away")}
        assert all(one.headers["retry-after"] for one in answers)
        assert site.get("admin", "/v1/pools").status_code == 200
        assert report(site, "mine").status_code == 200
        # Who found no room is answered by now, and nobody else.
        assert wait(again, 60, FIRST_COMPLETED).done
        go_on.set()
        assert {code(one.result(60)) for one in again} == {(503, "cluster_away"), (401, "token_invalid")}
