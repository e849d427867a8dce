"""One request to somebody's address: to the address that was checked, and no longer or further than it may."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from ipaddress import ip_address, ip_network

import pytest

from dure.errors import AddressRefused
from scheduler.webhooks import sender
from scheduler.webhooks.addresses import Address
from scheduler.webhooks.sender import READ_BYTES, Answer, Sender
from tests.receiver import CERTIFICATE, LOOPBACK, Receiver, receiver

LOCAL = Sender([ip_network(LOOPBACK), ip_network("::1/128")])

HEADERS = {"webhook-id": "evt_1"}


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def post(url: str, through: Sender = LOCAL) -> Answer:
    with through.to(url) as line:
        return line.post(HEADERS, b"{}")


@contextmanager
def server(answer: bytes, *, drip_s: float = 0.0) -> Iterator[str]:
    """Answers every connection with these bytes, one at a time if `drip_s` is said."""
    over = threading.Event()

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            # The client may have given up.
            with connection, suppress(OSError):
                connection.recv(65536)
                for byte in answer if drip_s else ():
                    if over.wait(drip_s):
                        return
                    connection.sendall(bytes([byte]))
                if not drip_s:
                    connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_what_is_sent_arrives_as_it_was_sent(there: Receiver) -> None:
    answer = post(there.url)
    assert (answer.ok, answer.status, answer.error) == (True, 204, None)
    [got] = there.got
    assert (got.path, got.body, got.headers["webhook-id"]) == ("/dure?key=1", b"{}", "evt_1")
    assert got.headers["host"] == f"127.0.0.1:{there.port}"


def test_what_goes_to_the_same_address_goes_over_one_connection(there: Receiver) -> None:
    with LOCAL.to(there.url) as line:
        assert [line.post(HEADERS, b"1").status, line.post(HEADERS, b"2").status] == [204, 204]
    assert [got.body for got in there.got] == [b"1", b"2"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(there: Receiver, status: int) -> None:
    there.answers, there.location = [status], there.url
    answer = post(there.url)
    assert not answer.ok
    assert answer.error == f"answered {status}: redirects are not followed, register where it leads"
    assert len(there.got) == 1


def test_an_error_is_told_by_its_status(there: Receiver) -> None:
    there.answers = [503]
    assert post(there.url).error == "answered 503"


def test_of_a_long_answer_only_the_beginning_is_read(there: Receiver) -> None:
    there.answers, there.body = [200], b"x" * (READ_BYTES * 1000)
    assert post(there.url).ok


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0/",
        "https://localhost/",
        "https://[::ffff:127.0.0.1]/",
        "http://127.0.0.1/",
    ],
)
def test_what_is_not_public_is_refused_when_it_is_added_and_when_it_is_sent(url: str) -> None:
    strict = Sender()
    with pytest.raises(AddressRefused):
        strict.check(url)
    answer = post(url, strict)
    assert answer.status is None
    assert answer.error is not None
    assert "https://hooks.example.com/dure" in answer.error


@pytest.mark.parametrize("url", ["https://", "https:///x", "ftp://a/", "https://a b/", "https://\u0000/"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        LOCAL.check(url)


class Turning:
    """A resolver that says something else each time it is asked, as one that means harm does."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)

    def __call__(self, host: str, port: int) -> Sequence[Address]:
        return [ip_address(self.answers.pop(0))]


def test_a_name_that_turns_to_an_inner_address_after_it_was_checked_reaches_nothing(there: Receiver) -> None:
    with receiver("127.0.0.2", there.port) as inner:
        turning = Turning("127.0.0.1", "127.0.0.1", "127.0.0.2")
        only = Sender([ip_network("127.0.0.1/32")], resolve=turning)
        url = f"http://hooks.acme.example:{there.port}/"
        only.check(url)
        assert post(url, only).ok
        assert len(turning.answers) == 1, "asked once a connection: what was checked is what was connected to"
        refused = post(url, only)
        assert refused.status is None
        assert "not public" in (refused.error or "")
        assert (len(there.got), inner.got) == (1, [])


def test_the_address_is_connected_to_by_number_and_named_by_its_name(there: Receiver) -> None:
    named = Sender([ip_network(LOOPBACK)], resolve=Turning("127.0.0.1"))
    assert post(f"http://hooks.acme.example:{there.port}/x", named).ok
    assert there.got[0].headers["host"] == f"hooks.acme.example:{there.port}"


def test_nobody_there_is_an_answer_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    answer = post(f"http://127.0.0.1:{port}/")
    assert answer.status is None
    assert "cannot be reached" in (answer.error or "")


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 2", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"]
)
def test_who_does_not_speak_http_to_the_end_has_not_taken_it(answer: bytes) -> None:
    with server(answer) as url:
        assert post(url).error is not None


def test_an_answer_that_comes_byte_by_byte_is_not_waited_for_longer_than_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "WHOLE_S", 0.5)
    with server(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1000, drip_s=0.02) as url:
        answer = post(url)
    assert answer.error == "did not answer within 0.5 s"
    assert answer.took_s < 3


def test_a_server_that_says_nothing_is_not_waited_for_longer(there: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "WHOLE_S", 0.2)
    there.hold = threading.Event()
    assert post(there.url).error == "did not answer within 0.2 s"


def test_a_certificate_is_believed_for_the_name_that_somebody_vouches_for_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with receiver(tls=True) as there:
        url = f"https://hooks.acme.example:{there.port}/"
        strangers = post(url, Sender([ip_network(LOOPBACK)], resolve=Turning("127.0.0.1")))
        assert "certificate verify failed" in (strangers.error or "")
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        assert post(url, Sender([ip_network(LOOPBACK)], resolve=Turning("127.0.0.1"))).ok
        other = Sender([ip_network(LOOPBACK)], resolve=Turning("127.0.0.1"))
        wrong = post(url.replace("hooks.acme", "hooks.globex"), other)
        assert "certificate verify failed" in (wrong.error or "")
        assert len(there.got) == 1


@pytest.mark.parametrize(
    "url", ["http://xn--/", "https://xn--zzzzzzz99999.com/", "https://", "hooks.acme.example", "ftp://a.b/"]
)
def test_a_name_that_cannot_be_decoded_is_no_address(url: str) -> None:
    with pytest.raises(AddressRefused, match="is no address"):
        LOCAL.check(url)
