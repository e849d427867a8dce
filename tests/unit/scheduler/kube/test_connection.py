"""Reading a cluster's credentials, and what is made of answers: the API server's own and those of whatever stands between."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scheduler.kube.clusters import ClusterAddress
from scheduler.kube.connection import Away, Connection, Refused
from scheduler.kube.credentials import Misconfigured
from scheduler.kube.keys import Keys
from tests.unit.scheduler.kube.answering import Listener, kubeconfig, listening

POD = "/api/v1/namespaces/dure-co-acme/pods/p"
KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: secret}}]
contexts: [{name: k, context: {cluster: c, user: u}}]
current-context: k
"""


@pytest.mark.parametrize(
    "text", ["{", "[]", "", "kind: Config", "a: b: c", "\x00", KUBECONFIG.replace("cluster: c,", "cluster: d,")]
)
def test_a_kubeconfig_that_cannot_be_used_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(Misconfigured, match=rf"cluster main: {path} cannot be used"):
        Connection(ClusterAddress(name="main", kubeconfig=str(path)))


def test_a_kubeconfig_that_is_not_there_is_named() -> None:
    with pytest.raises(Misconfigured, match="/nowhere"):
        Connection(ClusterAddress(name="main", kubeconfig="/nowhere"))


def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(KUBECONFIG)
    with pytest.raises(Misconfigured, match="other"):
        Connection(ClusterAddress(name="main", kubeconfig=str(path), context="other"))


def test_outside_of_a_cluster_there_is_none_to_be_in() -> None:
    with pytest.raises(Misconfigured, match="this process's own pod"):
        Connection(ClusterAddress(name="main"))


def test_an_api_server_that_does_not_answer_is_away(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(KUBECONFIG)
    connection = Connection(ClusterAddress(name="main", kubeconfig=str(path)), timeout_s=2)
    assert connection.credentials.server == "https://127.0.0.1:1"
    with pytest.raises(Away, match="does not answer"):
        connection.get("/version")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Listener, Connection]]:
    with listening(tmp_path) as found:
        yield found


@pytest.fixture
def listener(pair: tuple[Listener, Connection]) -> Listener:
    return pair[0]


@pytest.fixture
def connection(pair: tuple[Listener, Connection]) -> Connection:
    return pair[1]


def followed(connection: Connection) -> Iterator[bytes]:
    return connection.follow(f"{POD}/log", silence_s=10, follow="true")


def watched(connection: Connection) -> Iterator[dict[str, Any]]:
    return connection.watch("/api/v1/pods", silence_s=10.0, resourceVersion="5")


def an_event(name: str) -> bytes:
    return json.dumps({"type": "ADDED", "object": {"metadata": {"name": name}}}).encode() + b"\n"


@pytest.mark.parametrize(
    ("call", "want"),
    [
        (lambda it: it.get("/api", limit=5), ("GET", "/api?limit=5", None, b"")),
        (lambda it: it.create("/api", {"a": 1}), ("POST", "/api", "application/json", b'{"a": 1}')),
        (
            lambda it: it.apply("/api", {"a": 1}),
            ("PATCH", "/api?fieldManager=dure&force=true", "application/apply-patch+yaml", b'{"a": 1}'),
        ),
        (
            lambda it: it.patch(POD, [{"op": "test"}]),
            ("PATCH", POD, "application/json-patch+json", b'[{"op": "test"}]'),
        ),
        (lambda it: it.merge(POD, {"a": 1}), ("PATCH", POD, "application/merge-patch+json", b'{"a": 1}')),
        (
            lambda it: it.delete(POD, {"gracePeriodSeconds": 1}),
            ("DELETE", POD, "application/json", b'{"gracePeriodSeconds": 1}'),
        ),
    ],
    ids=["get", "create", "apply", "patch", "merge", "delete"],
)
def test_a_call_is_sent_with_its_kind_and_our_credentials(
    listener: Listener, connection: Connection, call: Any, want: tuple[str, str, str | None, bytes]
) -> None:
    listener.says({"kind": "Pod"})
    assert call(connection) == {"kind": "Pod"}
    (got,) = listener.got
    assert (got.method, got.path, got.headers.get("Content-Type"), got.body) == want
    assert got.headers["Authorization"] == "Bearer secret"


def test_credentials_that_were_rotated_are_read_again(
    listener: Listener, connection: Connection, tmp_path: Path
) -> None:
    connection.get("/api")
    listener.token = "rotated"
    kubeconfig(tmp_path, listener.port, token="rotated")
    assert connection.get("/api") == {}
    listener.says(b'{"type": "ADDED", "object": {}}\n')
    assert list(watched(connection)) == [{"type": "ADDED", "object": {}}]
    said = [one.headers["Authorization"] for one in listener.got]
    assert said == ["Bearer secret", "Bearer rotated", "Bearer rotated"], "none by what it is known by no more"


def test_a_token_that_a_kubeconfig_names_the_file_of_is_read_again_when_it_was_rotated(
    listener: Listener, tmp_path: Path
) -> None:
    token, path = tmp_path / "token", kubeconfig(tmp_path, listener.port, tokenFile=str(tmp_path / "token"))
    token.write_text("first")
    found = Connection(ClusterAddress(name="main", kubeconfig=str(path)))
    listener.token = "second"
    token.write_text("second")
    listener.says(b'{"type": "ADDED", "object": {}}\n')
    assert list(watched(found)) == [{"type": "ADDED", "object": {}}]
    assert found.get("/api")["type"] == "ADDED"
    found.close()


@pytest.mark.parametrize("now", ["as it was", "no kubeconfig at all"])
def test_who_is_not_known_with_what_can_be_read_is_refused(
    listener: Listener, connection: Connection, tmp_path: Path, now: str
) -> None:
    listener.token = "rotated"
    if now != "as it was":
        (tmp_path / "kubeconfig").write_text("{")
    for _ in range(2):
        with pytest.raises(Refused, match="401"):
            connection.get("/api")
    kubeconfig(tmp_path, listener.port, token="rotated")
    assert connection.get("/api") == {}


def test_keys_are_made_with_the_credentials_that_are_there_now(listener: Listener, tmp_path: Path) -> None:
    keys = Keys([ClusterAddress(name="main", kubeconfig=str(tmp_path / "kubeconfig"))])
    listener.says({"status": {"token": "key", "expirationTimestamp": "2026-11-30T00:00:00Z"}})
    assert keys.make("main", "acme", "dure-company", 600).token == "key"
    listener.token = "rotated"
    kubeconfig(tmp_path, listener.port, token="rotated")
    assert keys.make("main", "acme", "dure-company", 600).token == "key"
    keys.close()


def test_what_is_no_json_is_read_as_it_is(listener: Listener, connection: Connection) -> None:
    listener.says(b"epoch 1\nepoch 2 \xff")
    assert connection.raw(f"{POD}/log") == b"epoch 1\nepoch 2 \xff"


def test_a_log_is_followed_as_it_comes_until_it_ends(listener: Listener, connection: Connection) -> None:
    listener.says(b"epoch 1\nepo", b"ch 2\n")
    assert list(followed(connection)) == [b"epoch 1\nepo", b"ch 2\n"]
    assert listener.got[0].path == f"{POD}/log?follow=true"


def test_a_log_that_breaks_off_has_said_what_it_said(listener: Listener, connection: Connection) -> None:
    listener.says(b"epoch 1\n", ends=False)
    pieces = followed(connection)
    assert next(pieces) == b"epoch 1\n"
    with pytest.raises(Away, match="does not answer"):
        next(pieces)


def test_a_log_that_is_refused_says_why(listener: Listener, connection: Connection) -> None:
    listener.says({"reason": "BadRequest", "message": "waiting to start"}, status=400)
    with pytest.raises(Refused, match="waiting to start"):
        next(followed(connection))


def test_a_refusal_says_why(listener: Listener, connection: Connection) -> None:
    listener.says({"reason": "Conflict", "message": "it changed"}, status=409)
    with pytest.raises(Refused) as told:
        connection.patch(POD, [])
    assert (told.value.status, told.value.reason, told.value.message) == (409, "Conflict", "it changed")
    assert str(told.value) == "409 Conflict: it changed"


@pytest.mark.parametrize("said", [b"<html>no</html>", b"", b"[]", b"null", b"7"])
@pytest.mark.parametrize("status", [302, 401, 403, 404, 410, 422])
def test_a_refusal_that_says_nothing_is_one_too(
    listener: Listener, connection: Connection, said: bytes, status: int
) -> None:
    listener.says(said, status=status)
    with pytest.raises(Refused) as told:
        connection.get(POD)
    assert (told.value.status, told.value.reason) == (status, "")


@pytest.mark.parametrize(
    ("status", "said", "want"),
    [
        (429, "7", 7.0),
        (429, None, None),
        (503, "0", 0.0),
        (500, "Wed, 21 Oct 2026 07:28:00 GMT", None),
        (500, "-1", None),
        (503, "1.5", None),
        (503, "\xb2", None),
        (504, "", None),
    ],
)
def test_an_api_server_that_cannot_now_is_away_for_as_long_as_it_says(
    listener: Listener, connection: Connection, status: int, said: str | None, want: float | None
) -> None:
    listener.says({"reason": "TooManyRequests", "message": "later"}, status=status)
    listener.headers = {} if said is None else {"Retry-After": said}
    with pytest.raises(Away, match=f"{status} TooManyRequests: later") as told:
        connection.get(POD)
    assert told.value.retry_after_s == want


@pytest.mark.parametrize("said", [b"<html>", b"", b"\xff\xfe", b"[]", b"null", b'"x"', b'{"a":'])
def test_an_answer_that_is_no_json_object_comes_from_somebody_else(
    listener: Listener, connection: Connection, said: bytes
) -> None:
    listener.says(said)
    with pytest.raises(Away, match=f"GET {POD}: the answer is no JSON object"):
        connection.get(POD)


@pytest.mark.parametrize("call", [lambda it: it.get(POD), lambda it: it.raw(POD), lambda it: list(watched(it))])
@pytest.mark.parametrize("status", [200, 503])
def test_an_answer_that_breaks_off_is_no_answer(
    listener: Listener, connection: Connection, call: Any, status: int
) -> None:
    listener.says(b'{"kind": ', status=status, ends=False)
    with pytest.raises(Away, match="does not answer"):
        call(connection)


def test_a_watch_says_what_happens_however_it_is_cut(listener: Listener, connection: Connection) -> None:
    said = an_event("a") + an_event("b") + b"\n" + an_event("c")
    listener.says(*(said[at : at + 7] for at in range(0, len(said), 7)))
    assert [event["object"]["metadata"]["name"] for event in watched(connection)] == ["a", "b", "c"]
    assert listener.got[0].path == "/api/v1/pods?resourceVersion=5&watch=true"


def test_a_watch_that_breaks_off_has_said_what_it_said(listener: Listener, connection: Connection) -> None:
    listener.says(an_event("a"), b'{"type": "ADD', ends=False)
    events = watched(connection)
    assert next(events)["type"] == "ADDED"
    with pytest.raises(Away, match="does not answer"):
        next(events)


def test_a_watch_that_ends_in_the_middle_of_an_event_leaves_it_out(listener: Listener, connection: Connection) -> None:
    listener.says(an_event("a"), b'{"type": "ADD')
    assert len(list(watched(connection))) == 1


@pytest.mark.parametrize(
    "line", [b"nonsense", b"[]", b"null", b'"x"', b'{"type": "ADDED"}', b'{"type": "ERROR", "object": null}']
)
def test_an_event_that_is_none_ends_a_watch(listener: Listener, connection: Connection, line: bytes) -> None:
    listener.says(an_event("a"), line + b"\n", an_event("b"))
    with pytest.raises(Away, match="a watch's event is"):
        list(watched(connection))


@pytest.mark.parametrize(
    ("said", "want"),
    [
        ({"code": 410, "reason": "Expired", "message": "too old"}, (410, "Expired", "too old")),
        ({"code": "many", "reason": "Odd"}, (500, "Odd", "None")),
        ({}, (500, "None", "None")),
    ],
)
def test_an_error_in_a_watch_is_a_refusal(
    listener: Listener, connection: Connection, said: dict[str, Any], want: tuple[int, str, str]
) -> None:
    listener.says(json.dumps({"type": "ERROR", "object": said}).encode() + b"\n")
    with pytest.raises(Refused) as told:
        list(watched(connection))
    assert (told.value.status, told.value.reason, told.value.message) == want


def test_a_watch_that_is_refused_is_no_watch(listener: Listener, connection: Connection) -> None:
    listener.says({"reason": "Expired", "message": "too old"}, status=410)
    with pytest.raises(Refused, match="410 Expired"):
        next(watched(connection))
    listener.says({}, status=429, Retry_After="3")
    with pytest.raises(Away) as told:
        next(watched(connection))
    assert told.value.retry_after_s == 3
