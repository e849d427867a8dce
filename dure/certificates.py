"""The certificate that a server shows, as this machine's trust sees it."""

import socket
import ssl
from datetime import UTC, datetime

import httpx

from dure.errors import Unreachable

TIMEOUT_S = 5.0


def ends_at(server: str) -> datetime:
    """When the certificate of an https address ends. Raises Unreachable that says why, also where it is not trusted."""
    url = httpx.URL(server)
    trust = httpx.create_ssl_context()
    try:
        with (
            socket.create_connection((url.host, url.port or 443), TIMEOUT_S) as plain,
            trust.wrap_socket(plain, server_hostname=url.host) as connection,
        ):
            shown = connection.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        raise Unreachable(f"the certificate of {url.host} is not trusted: {error.verify_message}") from error
    except OSError as error:
        raise Unreachable(f"{server} shows no certificate: {error}") from error
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)
