"""One cluster's API server, by the official client's connections. What it answers is JSON as it comes.

Refusals and absences are two errors, since what is to be done differs: what is refused is looked at again once the
world has changed, what is away is tried again.
"""

import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from ssl import SSLCertVerificationError
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes.client import ApiClient
from kubernetes.client.exceptions import ApiException

from dure.kube import MANAGER
from scheduler.kube.clusters import ClusterAddress
from scheduler.kube.credentials import Credentials

Json = dict[str, Any]

APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"


class Away(Exception):
    """The API server did not answer, or said that it cannot now. `retry_after_s` is what it asked for."""

    def __init__(self, why: str, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(why)


class Stranger(Away):
    """Who answered has a certificate that our credentials do not vouch for; nothing was sent to it."""


class Refused(Exception):
    """The API server said no: `status` is of HTTP, `reason` its own word for it, such as `Conflict`."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        self.status, self.reason, self.message = status, reason, message
        super().__init__(f"{status} {reason}: {message}")


class Connection:
    """Calls to one cluster, from any thread. Paths are the API's own, such as `/api/v1/namespaces`."""

    def __init__(self, address: ClusterAddress, *, timeout_s: float = 10.0) -> None:
        """Reads the credentials; nothing is sent yet. They are read again as they change, and where the API server does not know
        them any more, or they do not know it. Raises Misconfigured.
        """
        self.name, self._timeout_s = address.name, timeout_s
        self.credentials = Credentials(address)

    def get(self, path: str, **query: Any) -> Json:
        """Raises Refused, Away."""
        return self._json("GET", path, query=query)

    def raw(self, path: str, **query: Any) -> bytes:
        """What is no JSON, such as a container's log. Raises Refused, Away."""
        return self._call("GET", path, query=query)

    def create(self, path: str, body: Json) -> Json:
        """Raises Refused, Away."""
        return self._json("POST", path, body=body, content_type="application/json")

    def apply(self, path: str, body: Json) -> Json:
        """Server-side apply in our name; what others set of the same fields is taken over. Raises Refused, Away."""
        query = {"fieldManager": MANAGER, "force": "true"}
        return self._json("PATCH", path, body=body, content_type=APPLY, query=query)

    def patch(self, path: str, operations: list[Json]) -> Json:
        """JSON patch: all of it or nothing. Raises Refused, Away."""
        return self._json("PATCH", path, body=operations, content_type=JSON_PATCH)

    def merge(self, path: str, body: Json) -> Json:
        """Raises Refused, Away."""
        return self._json("PATCH", path, body=body, content_type=MERGE_PATCH)

    def delete(self, path: str, body: Json | None = None) -> Json:
        """Raises Refused, Away."""
        return self._json("DELETE", path, body=body or {}, content_type="application/json")

    def watch(self, path: str, *, silence_s: float, **query: Any) -> Iterator[Json]:
        """What happens, as it comes, until the server ends it. Raises Refused, and Away after `silence_s` without a word."""
        with self._opened(path, silence_s, {**query, "watch": "true"}) as response:
            yield from _events(response)

    def follow(self, path: str, *, silence_s: float, **query: Any) -> Generator[bytes]:
        """A log as it comes, until it ends. Raises Refused, and Away where it breaks off or after `silence_s` without a word."""
        with self._opened(path, silence_s, query) as response, _away():
            yield from response.stream(65_536, decode_content=True)

    def close(self) -> None:
        self.credentials.close()

    @contextmanager
    def _opened(self, path: str, silence_s: float, query: Mapping[str, Any]) -> Iterator[urllib3.BaseHTTPResponse]:
        """What is read as it comes."""
        response = self._send("GET", path, query=query, timeout=(self._timeout_s, silence_s))
        try:
            with _away():
                said = None if response.status == 200 else response.read()
            _check(response.status, response.headers, said)
            yield response
        finally:
            response.close()

    def _json(self, method: str, path: str, **said: Any) -> Json:
        return _object(self._call(method, path, **said), f"{method} {path}: the answer")

    def _call(self, method: str, path: str, **said: Any) -> bytes:
        with _away():
            response = self._send(method, path, **said)
            body = response.read()
        _check(response.status, response.headers, body)
        return body

    def _send(self, method: str, path: str, **said: Any) -> urllib3.BaseHTTPResponse:
        client = self.credentials.client
        try:
            response = self._sent(client, method, path, **said)
            if response.status != 401 or (again := self.credentials.instead_of(client)) is None:
                return response
            response.close()
        except Stranger:
            if (again := self.credentials.instead_of(client)) is None:
                raise
        return self._sent(again, method, path, **said)

    def _sent(
        self,
        client: ApiClient,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        content_type: str | None = None,
        timeout: float | tuple[float, float] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        url = client.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json", "User-Agent": "dure"}
        if content_type is not None:
            headers["Content-Type"] = content_type
        token = client.configuration.get_api_key_with_prefix("authorization", "BearerToken")
        if token:
            headers["Authorization"] = token
        sent = None if body is None else json.dumps(body)
        with _away():
            # The client's own request drops what it cannot prepare, apply patches among it; its connections are what we want.
            return client.rest_client.pool_manager.request(
                method,
                url,
                body=sent,
                headers=headers,
                timeout=_timeout(timeout or self._timeout_s),
                preload_content=False,
                retries=False,
            )


def _timeout(said: float | tuple[float, float]) -> urllib3.Timeout:
    connect, read = said if isinstance(said, tuple) else (said, said)
    return urllib3.Timeout(connect=connect, read=read)


def _events(response: urllib3.BaseHTTPResponse) -> Iterator[Json]:
    left = b""
    with _away():
        for chunk in response.stream(65_536, decode_content=True):
            *lines, left = (left + chunk).split(b"\n")
            for line in lines:
                if line:
                    yield _event(line)


def _event(line: bytes) -> Json:
    event = _object(line, "a watch's event")
    found = event.get("object")
    if not isinstance(found, dict):
        raise Away("a watch's event is about nothing")
    if event.get("type") == "ERROR":
        code = found.get("code")
        raise Refused(code if isinstance(code, int) else 500, str(found.get("reason")), str(found.get("message")))
    return event


def _object(said: bytes, what: str) -> Json:
    """What is none comes from whatever stands between us and the API server."""
    try:
        found = json.loads(said)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Away(f"{what} is no JSON object")
    return found


def _check(status: int, headers: Mapping[str, str], body: bytes | None) -> None:
    if 200 <= status < 300:
        return
    reason, message = _said(body or b"")
    if status == 429 or status >= 500:
        raise Away(f"{status} {reason}: {message}", _seconds(headers.get("Retry-After")))
    raise Refused(status, reason, message)


def _said(body: bytes) -> tuple[str, str]:
    try:
        found = json.loads(body)
        return str(found.get("reason") or ""), str(found.get("message") or "")
    except (ValueError, AttributeError):
        return "", body[:200].decode(errors="replace")


def _seconds(said: str | None) -> float | None:
    return float(said) if said and said.isdecimal() else None


@contextmanager
def _away() -> Iterator[None]:
    try:
        yield
    except (urllib3.exceptions.HTTPError, OSError, ApiException) as error:
        is_stranger = any(isinstance(why, SSLCertVerificationError) for why in error.args)
        raise (Stranger if is_stranger else Away)(f"the API server does not answer: {error}") from error
