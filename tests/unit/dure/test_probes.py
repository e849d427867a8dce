import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from dure import probes
from dure.probes import Answer, Probes
from tests.cluster.daemons import until


def _metrics(_: str) -> Answer:
    return Answer(status=200, content_type="text/plain; version=0.0.4", body=b"dure_up 1\n")


def _long(_: str) -> Answer:
    """More than any socket's buffers take, so that it is still written to a client that went away."""
    return Answer(status=200, content_type=probes.TEXT, body=bytes(64 << 20))


def _broken(_: str) -> Answer:
    raise LookupError("secret detail")


@pytest.fixture
def served() -> Iterator[Probes]:
    routes = {
        "/metrics": _metrics,
        "/readyz": lambda _: probes.text(503, "not yet"),
        "/broken": _broken,
        "/long": _long,
    }
    found = probes.serve(0, host="127.0.0.1", routes=routes)
    yield found
    found.close()


def _ask(port: int, method: str, path: str) -> tuple[int, str | None, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path)
    response = connection.getresponse()
    found = (response.status, response.getheader("Content-Type"), response.read())
    connection.close()
    return found


@pytest.mark.parametrize(
    ("path", "want"),
    [
        pytest.param(
            "/metrics", (200, "text/plain; version=0.0.4", b"dure_up 1\n"), id="a route's answer is sent as it is"
        ),
        pytest.param(
            "/metrics?name=x", (200, "text/plain; version=0.0.4", b"dure_up 1\n"), id="a query is passed over"
        ),
        pytest.param("/readyz", (503, probes.TEXT, b"not yet\n"), id="a route chooses its status"),
        pytest.param(
            "/broken", (500, probes.TEXT, b"LookupError\n"), id="a route that raises says which error, no more"
        ),
        pytest.param(
            "/",
            (404, probes.TEXT, b"nothing is here; try /broken, /long, /metrics, /readyz\n"),
            id="elsewhere it says where to go",
        ),
    ],
)
def test_it_answers(served: Probes, path: str, want: tuple[int, str, bytes]) -> None:
    assert _ask(served.port, "GET", path) == want


@pytest.mark.parametrize(
    ("sent", "want"), [({"Accept": "application/openmetrics-text"}, b"application/openmetrics-text"), ({}, b"")]
)
def test_a_route_is_given_what_is_accepted(sent: dict[str, str], want: bytes) -> None:
    routes = {"/said": lambda accepts: Answer(status=200, content_type=probes.TEXT, body=accepts.encode())}
    served = probes.serve(0, host="127.0.0.1", routes=routes)
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=5)
    connection.request("GET", "/said", headers=sent)
    assert connection.getresponse().read() == want
    connection.close()
    served.close()


def test_head_has_the_length_and_no_body(served: Probes) -> None:
    assert _ask(served.port, "HEAD", "/metrics") == (200, "text/plain; version=0.0.4", b"")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_nothing_can_be_changed_through_it(served: Probes, method: str) -> None:
    assert _ask(served.port, method, "/metrics")[0] == 501


def test_a_failing_route_is_logged(served: Probes, caplog: pytest.LogCaptureFixture) -> None:
    _ask(served.port, "GET", "/broken")

    assert [record.__dict__["action"] for record in caplog.records] == ["probe.failed"]


def test_a_port_that_is_taken_is_an_error_at_once(served: Probes) -> None:
    with pytest.raises(OSError, match="in use"):
        probes.serve(served.port, host="127.0.0.1", routes={})


def test_a_closed_server_frees_its_port() -> None:
    first = probes.serve(0, host="127.0.0.1", routes={})
    first.close()

    second = probes.serve(first.port, host="127.0.0.1", routes={"/healthz": lambda _: probes.text(200, "ok")})

    assert _ask(second.port, "GET", "/healthz")[2] == b"ok\n"
    second.close()


def test_one_slow_client_keeps_nobody_waiting(served: Probes) -> None:
    with socket.create_connection(("127.0.0.1", served.port)) as slow:
        slow.sendall(b"GET /metr")

        assert _ask(served.port, "GET", "/metrics")[0] == 200


def _hangs_up(client: socket.socket) -> None:
    client.shutdown(socket.SHUT_RD)


def _resets(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("ends", [_hangs_up, _resets])
@pytest.mark.parametrize("sent", [b"GET /long HTTP/1.0\r\n\r\n", b"GET /lo"], ids=["in the answer", "in the request"])
def test_a_client_that_goes_away_is_no_news(
    served: Probes,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    ends: Callable[[socket.socket], None],
    sent: bytes,
) -> None:
    before = _requests()
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        client.sendall(sent)
        if sent.endswith(b"\n"):
            client.recv(1)
        ends(client)
    until(lambda: not _requests() - before, (), within_s=60, what="the handler's end")
    assert (caplog.records, capfd.readouterr().err) == ([], "")


def _requests() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if "process_request_thread" in thread.name}


def test_another_fault_of_a_request_is_one_line_of_the_log(
    served: Probes,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probes, "_answer", lambda *_: None)
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert client.recv(1) == b""
    until(lambda: bool(caplog.records), (), within_s=60, what="the line")
    [record] = caplog.records
    assert (record.__dict__["action"], "AttributeError" in record.getMessage()) == ("probe.request_failed", True)
    assert capfd.readouterr().err == ""
