"""The certificate that an API shows, seen over a real connection."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dure import certificates
from dure.errors import Unreachable
from tests.cluster.certificates import LIFE, Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "api")


@pytest.fixture
def server(authority: Authority, tmp_path: Path) -> Iterator[str]:
    """Shakes hands, and nothing more."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server("dure").write(tmp_path, "server"))
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            # Who does not trust the certificate breaks off.
            with suppress(OSError):
                plain, _ = listening.accept()
                with context.wrap_socket(plain, server_side=True) as connection:
                    connection.recv(1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"
        thread.join(60)


def test_a_certificate_that_is_trusted_says_when_it_ends(
    server: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.crt))
    found = certificates.ends_at(server)
    assert abs(found - (datetime.now(UTC) + LIFE)) < timedelta(minutes=10)


def test_one_that_is_not_trusted_is_told_so(server: str) -> None:
    with pytest.raises(Unreachable, match=r"the certificate of 127\.0\.0\.1 is not trusted"):
        certificates.ends_at(server)


def test_nobody_there_is_told_as_well() -> None:
    with pytest.raises(Unreachable, match="shows no certificate"):
        certificates.ends_at("https://127.0.0.1:1")
