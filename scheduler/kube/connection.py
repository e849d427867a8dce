"""One cluster's API server: the only place where the official client is used. What it answers is JSON as it comes.

Refusals and absences are two errors, since what is to be done differs: what is refused is looked at again once the
world has changed, what is away is tried again.
"""

import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from ssl import SSLCertVerificationError
from threading import Lock
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.config.incluster_config import InClusterConfigLoader

from dure.kube import MANAGER
from scheduler.kube.clusters import ClusterAddress
from scheduler.metrics.certificates import ends

Json = dict[str, Any]

APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"

AT_ONCE = 240
"""Connections that are kept open; as many calls run at a time."""


class Misconfigured(Exception):
    """The credentials of a cluster cannot be read; the text says which and why."""


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
        """Reads the credentials; nothing is sent yet. Where the API server does not know them any more, or they do not know it,
        they are read again, as they may have been rotated. Raises Misconfigured.
        """
        self.name, self._timeout_s = address.name, timeout_s
        self._address, self._lock = address, Lock()
        self._client = _client(address)

    @property
    def server(self) -> str:
        """The API server's address, as the kubeconfig has it."""
        return self._client.configuration.host

    @property
    def authority(self) -> bytes | None:
        """The certificate that the API server is known by, PEM; None where the system's own are used."""
        configuration = self._client.configuration
        if configuration.ca_cert_data:
            data = configuration.ca_cert_data
            return data.encode() if isinstance(data, str) else data
        path = configuration.ssl_ca_cert
        if not path:
            return None
        with open(path, "rb") as file:  # noqa: PTH123 - a path of the client's, which may be a file of its own making
            return file.read()

    def certificate_ends(self) -> float | None:
        """When our own certificate ends, in Unix seconds; None where we are known by a token, or it cannot be read."""
        path = self._client.configuration.cert_file
        try:
            return None if not path else ends(Path(path).read_bytes())
        except (OSError, ValueError):
            return None

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
        self._client.close()

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
        client = self._client
        try:
            response = self._sent(client, method, path, **said)
            if response.status != 401 or (again := self._read_again(client)) is None:
                return response
            response.close()
        except Stranger:
            if (again := self._read_again(client)) is None:
                raise
        return self._sent(again, method, path, **said)

    def _read_again(self, refused: ApiClient) -> ApiClient | None:
        """By the credentials as they are now; None where they cannot be read. What is under way by others goes on."""
        with self._lock, suppress(Misconfigured):
            if self._client is refused:
                self._client = _client(self._address)
            return self._client
        return None

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


def _client(address: ClusterAddress) -> ApiClient:
    """By its credentials as they are now. Raises Misconfigured."""
    found = Configuration()
    where = "this process's own pod" if address.kubeconfig is None else address.kubeconfig
    try:
        if address.kubeconfig is None:
            InClusterConfigLoader(str(address.account / "token"), str(address.account / "ca.crt")).load_and_set(found)
        else:
            config.load_kube_config(
                config_file=address.kubeconfig,
                context=address.context,
                client_configuration=found,
                persist_config=False,
            )
    # A file that is no YAML, or has another shape than the client expects, comes as almost any exception.
    except Exception as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        raise Misconfigured(f"cluster {address.name}: {where} cannot be used ({why})") from error
    found.connection_pool_maxsize = AT_ONCE
    return ApiClient(found)
