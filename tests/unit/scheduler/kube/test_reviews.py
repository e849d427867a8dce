"""What is made of an API server's answers about agents' tokens, and how often it is asked."""

import base64
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from dure.errors import DureError
from scheduler.kube import reviews
from scheduler.kube.clusters import ClusterAddress
from scheduler.kube.reviews import AGENT, FRESH_S, REFUSED_S, STALE_S, Reviewed, Reviews, is_jwt
from tests.unit.scheduler.kube.answering import Listener, kubeconfig, listening

T0 = 1_800_000_000.0


def a_token(name: str = "x", **claims: Any) -> str:
    said = {"aud": ["dure"], "exp": T0 + 3600, "sub": AGENT, "jti": name, **claims}
    middle = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
    return f"e30.{middle}.c2ln"


def a_status(**changed: Any) -> dict[str, Any]:
    extra = {
        "authentication.kubernetes.io/node-name": ["gpu-01"],
        "authentication.kubernetes.io/pod-name": ["dure-agent-x7k2p"],
    }
    user = {"username": AGENT, "extra": extra, **changed.pop("user", {})}
    return {"status": {"authenticated": True, "audiences": ["dure"], "user": user, **changed}}


UNKNOWN = {"status": {"authenticated": False, "error": "invalid bearer token"}}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Listener]:
    with listening(tmp_path) as (found, _):
        found.says(a_status())
        yield found


@pytest.fixture
def asks(cluster: Listener, tmp_path: Path) -> Iterator[Reviews]:
    found = Reviews([ClusterAddress(name="main", kubeconfig=str(kubeconfig(tmp_path, cluster.port)))])
    yield found
    found.close()


def said(found: Reviewed | DureError) -> str:
    return found.node if isinstance(found, Reviewed) else found.code


def test_who_a_cluster_knows_is_the_agent_of_the_node_that_it_names(asks: Reviews, cluster: Listener) -> None:
    found = asks.of(a_token(), T0)
    assert found == Reviewed(cluster="main", node="gpu-01", pod="dure-agent-x7k2p")
    sent = json.loads(cluster.got[0].body)
    assert (cluster.got[0].path, sent["spec"]) == (reviews.PATH, {"token": a_token(), "audiences": ["dure"]})


@pytest.mark.parametrize(
    ("status", "want"),
    [
        (UNKNOWN, "token_invalid"),
        (a_status(audiences=["https://kubernetes.default.svc"]), "token_invalid"),
        (a_status(audiences=[]), "token_invalid"),
        (a_status(user={"username": "system:serviceaccount:acme:dure-agent"}), "forbidden"),
        (a_status(user={"username": "system:node:gpu-01"}), "forbidden"),
        (a_status(user={"extra": {}}), "forbidden"),
        (a_status(user={"extra": None}), "forbidden"),
        ({"status": {}}, "token_invalid"),
        ({}, "cluster_away"),
        ({"status": None}, "cluster_away"),
        ({"status": {"authenticated": True, "audiences": ["dure"]}}, "cluster_away"),
    ],
)
def test_nobody_else_gets_in(asks: Reviews, cluster: Listener, status: dict[str, Any], want: str) -> None:
    cluster.says(status)
    assert said(asks.of(a_token(), T0)) == want


@pytest.mark.parametrize(
    ("token", "want"),
    [
        (a_token(exp=T0), "token_expired"),
        (a_token(exp="never"), "token_invalid"),
        (a_token(exp=True), "token_invalid"),
        (a_token(exp=None), "token_invalid"),
        (a_token(aud=["vault"]), "token_invalid"),
        (a_token(aud=None), "token_invalid"),
        ("a.b.c", "token_invalid"),
        ("e30.bnVsbA.c2ln", "token_invalid"),
        ("e30.W10.c2ln", "token_invalid"),
        ("é.é.é", "token_invalid"),
    ],
)
def test_what_says_itself_that_it_is_no_good_is_not_asked_about(
    asks: Reviews, cluster: Listener, token: str, want: str
) -> None:
    assert (said(asks.of(token, T0)), cluster.got) == (want, [])


@pytest.mark.parametrize(
    ("secret", "want"),
    [("a.b.c", True), ("dure_abc", False), ("a.b", False), ("a..c", False), ("a.b.c.d", False), ("a." * 20_000, False)],
)
def test_three_parts_make_a_token_of_a_cluster(secret: str, want: bool) -> None:
    assert is_jwt(secret) is want


def test_an_answer_stands_for_a_minute_and_never_past_the_tokens_end(asks: Reviews, cluster: Listener) -> None:
    token = a_token(exp=T0 + 90)
    for at in (0, FRESH_S - 1, FRESH_S, FRESH_S + 29):
        assert said(asks.of(token, T0 + at)) == "gpu-01"
    assert len(cluster.got) == 2
    assert said(asks.of(token, T0 + 90)) == "token_expired"


def test_a_refusal_stands_for_seconds(asks: Reviews, cluster: Listener) -> None:
    cluster.says(UNKNOWN)
    for at in (0, REFUSED_S - 1):
        assert said(asks.of(a_token(), T0 + at)) == "token_invalid"
    assert len(cluster.got) == 1
    cluster.says(a_status())
    assert said(asks.of(a_token(), T0 + REFUSED_S)) == "gpu-01"


def test_what_is_settled_of_a_node_stands_with_the_answer_and_no_longer(asks: Reviews) -> None:
    found = asks.of(a_token(), T0)
    assert isinstance(found, Reviewed)
    found.is_settled = True
    assert asks.of(a_token(), T0 + FRESH_S - 1) is found
    again = asks.of(a_token(), T0 + FRESH_S)
    assert isinstance(again, Reviewed)
    assert not again.is_settled


def test_tokens_that_are_made_up_push_no_good_answer_out(
    asks: Reviews, cluster: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviews, "KEPT", 5)
    assert said(asks.of(a_token("good"), T0)) == "gpu-01"
    cluster.says(UNKNOWN)
    for number in range(6):
        assert said(asks.of(a_token(f"made-up-{number}"), T0)) == "token_invalid"
    cluster.says({})
    assert said(asks.of(a_token("good"), T0 + STALE_S - 1)) == "gpu-01"


def test_a_token_that_is_refused_later_is_no_good_one_any_more(asks: Reviews, cluster: Listener) -> None:
    assert said(asks.of(a_token(), T0)) == "gpu-01"
    cluster.says(UNKNOWN)
    assert said(asks.of(a_token(), T0 + FRESH_S)) == "token_invalid"
    cluster.says({})
    assert said(asks.of(a_token(), T0 + FRESH_S + REFUSED_S)) == "cluster_away"


def test_while_the_api_server_is_away_those_it_knew_go_on_for_five_minutes_and_nobody_new_gets_in(
    asks: Reviews, cluster: Listener
) -> None:
    known, new = a_token(exp=T0 + 3600), a_token("new")
    assert said(asks.of(known, T0)) == "gpu-01"
    cluster.says({"message": "starting"}, status=503, Retry_After="7")
    assert said(asks.of(known, T0 + STALE_S - 1)) == "gpu-01"
    late, unknown = asks.of(known, T0 + STALE_S), asks.of(new, T0)
    for found in (late, unknown):
        assert isinstance(found, DureError)
        assert (found.code, found.status) == ("cluster_away", 503)
        assert found.retry_after_s
    assert len(cluster.got) == 2


def test_an_api_server_that_refuses_to_review_is_told_of_as_such(asks: Reviews, cluster: Listener) -> None:
    cluster.says({"reason": "Forbidden", "message": "cannot create tokenreviews"}, status=403)
    found = asks.of(a_token(), T0)
    assert isinstance(found, DureError)
    assert found.code == "cluster_refused"
    assert "dure doctor" in found.detail


def test_credentials_that_cannot_be_read_are_told_of_as_such(tmp_path: Path) -> None:
    found = Reviews([ClusterAddress(name="main", kubeconfig=str(tmp_path / "none"))])
    assert said(found.of(a_token(), T0)) == "cluster_refused"
    found.close()


@pytest.mark.parametrize(
    ("first", "second", "want"),
    [
        (UNKNOWN, a_status(), "gpu-01"),
        (a_status(), UNKNOWN, "gpu-01"),
        (UNKNOWN, UNKNOWN, "token_invalid"),
        (a_status(user={"username": "other"}), UNKNOWN, "forbidden"),
        ({}, UNKNOWN, "cluster_away"),
        (UNKNOWN, {}, "cluster_away"),
        ({}, a_status(), "gpu-01"),
    ],
)
def test_each_cluster_is_asked_until_one_knows_the_token(
    tmp_path: Path, first: dict[str, Any], second: dict[str, Any], want: str
) -> None:
    with ExitStack() as stack:
        addresses = []
        for name, status in (("a", first), ("b", second)):
            folder = tmp_path / name
            folder.mkdir()
            listener, _ = stack.enter_context(listening(folder))
            listener.says(status)
            addresses.append(ClusterAddress(name=name, kubeconfig=str(folder / "kubeconfig")))
        found = Reviews(addresses)
        assert said(found.of(a_token(), T0)) == want
        found.close()


def test_answers_are_kept_up_to_a_number(asks: Reviews, cluster: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviews, "KEPT", 2)
    for name in ("1", "2", "3", "3", "2", "1"):
        assert said(asks.of(a_token(name), T0)) == "gpu-01"
    assert len(cluster.got) == 4
