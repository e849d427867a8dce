"""Metrics as text, which are open: no token is sent. And the few numbers that are read of them."""

import re
from collections.abc import Mapping

import httpx

from dure.errors import Unreachable
from dure.http import LOOPBACK

TIMEOUT_S = 5.0
MOST_BYTES = 16 << 20
"""A replica of a large fleet says some megabytes."""

_EXPIRY = re.compile(
    r'^dure_certificate_expiry_timestamp_seconds\{certificate="([^"]*)"\} ([0-9.e+]+)$', re.MULTILINE | re.ASCII
)


_LEADER = re.compile(r"^dure_leader[ {]", re.MULTILINE | re.ASCII)
"""Every scheduler says whether it leads, and nothing else does."""


def scheduler(address: str, transport: httpx.BaseTransport | None = None) -> str:
    """The same of a scheduler. Raises Unreachable, also where something else answers."""
    found = scrape(address, transport)
    if _LEADER.search(found) is None:
        raise Unreachable(
            f"{address} answers, and is no scheduler: its own address is in DURE_SCHEDULER_HOST and DURE_SCHEDULER_PORT"
        )
    return found


def scrape(address: str, transport: httpx.BaseTransport | None = None) -> str:
    """What `/metrics` of a process says; `address` is its own, or that of its metrics. Raises Unreachable."""
    try:
        url = httpx.URL(address)
        url = url.copy_with(path="/metrics") if url.path.strip("/") == "" else url
        with (
            httpx.Client(transport=transport, timeout=TIMEOUT_S, trust_env=url.host not in LOOPBACK) as client,
            client.stream("GET", url) as answer,
        ):
            return _text(str(url), answer)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreachable(f"{address} cannot be reached ({str(error) or type(error).__name__})") from error


def _text(address: str, answer: httpx.Response) -> str:
    if not answer.is_success:
        raise Unreachable(f"{address} answers {answer.status_code} {answer.reason_phrase}")
    said = b""
    for part in answer.iter_bytes():
        said += part
        if len(said) > MOST_BYTES:
            raise Unreachable(f"{address} says more than {MOST_BYTES >> 20} MiB")
    return said.decode(errors="replace")


def certificate_ends(metrics: str) -> Mapping[str, float]:
    """When each certificate that a process knows ends, in Unix seconds; none where it knows none."""
    return {name: float(value) for name, value in _EXPIRY.findall(metrics)}
