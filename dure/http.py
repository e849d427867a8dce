"""One request to the API: sent, repeated where that is safe, and answered with a body or an exception of `dure.errors`.

Knows HTTP and no route; `dure.client` knows the routes.
"""

import os
import random
import ssl
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

import httpx
from pydantic import ValidationError

from dure import errors
from dure.patience import Patience
from dure.wire.problems import Problem

REPEATED = frozenset({429, 502, 503, 504})
"""Statuses that pass by themselves."""

LONGEST_WAIT_S = 60
"""A server that wants us to wait longer than this is not waited for: the caller gets the error and its Retry-After."""

LONGEST_SILENCE_S = 60
"""A stream shows every 15 s that it is alive; one that says nothing for so long is not."""

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_FIRST_WAIT_S, _LAST_WAIT_S = 0.2, 5.0

Params = Mapping[str, str | int | list[str] | None]


def _trusted(server: str) -> ssl.SSLContext | bool:
    """What SSL_CERT_FILE says, which httpx forgets together with the proxies; its own choice where nothing is said."""
    said = os.environ.get("SSL_CERT_FILE")
    if not said or not server.startswith("https://"):
        return True
    return ssl.create_default_context(cafile=said)


class Connection:
    """A server and a token. Sends at most `1 + retries` times; `sleep` takes seconds. `patience` is for all requests together."""

    def __init__(
        self,
        server: str,
        token: str,
        *,
        timeout_s: float,
        retries: int,
        transport: httpx.BaseTransport | None,
        sleep: Callable[[float], None],
        patience: Patience | None = None,
    ) -> None:
        self.server = server.rstrip("/")
        self._timeout_s = timeout_s
        self._retries = retries
        self._sleep = sleep
        self._patience = patience
        self._http = httpx.Client(
            base_url=self.server,
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            timeout=timeout_s,
            transport=transport,
            # A proxy cannot reach this machine's own addresses; whom else to trust is said to them as well.
            trust_env=httpx.URL(self.server).host not in LOOPBACK,
            verify=_trusted(self.server),
        )

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool,
        timeout_s: float | None = None,
    ) -> bytes:
        """The body of a 2xx answer. Raises DureError: the server's problem, Unavailable or Unreachable.

        `timeout_s` is for what takes longer than everything else.
        """
        given = {name: value for name, value in (params or {}).items() if value is not None}
        sent = {**({} if json is None else {"Content-Type": "application/json"}), **(headers or {})}
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        request = self._http.build_request(method, path, params=given, content=json, headers=sent, timeout=limit_s)
        left = self._retries if repeatable else 0
        attempt = 0
        while True:
            try:
                return self._patiently(request)
            except _Passing as passing:
                wait = max(_pause(attempt), passing.retry_after_s)
                if attempt >= left or wait > LONGEST_WAIT_S:
                    raise passing.error from passing.__cause__
                self._sleep(wait)
                attempt += 1

    def stream(
        self, path: str, *, params: Params | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[str]:
        """The lines of an answer that goes on for as long as the server says; it ends when the server ends it.

        Raises DureError as `send` does, also where the answer breaks off, and nothing is repeated.
        """
        given = {name: value for name, value in (params or {}).items() if value is not None}
        timeout = httpx.Timeout(self._timeout_s, read=LONGEST_SILENCE_S)
        try:
            with self._http.stream("GET", path, params=given, headers=headers, timeout=timeout) as answer:
                if not answer.is_success:
                    answer.read()
                    raise self._problem(answer)
                if "event-stream" not in answer.headers.get("content-type", ""):
                    raise self._stranger(answer)
                yield from answer.iter_lines()
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise self._unreachable(str(error) or type(error).__name__) from error

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _patiently(self, request: httpx.Request) -> bytes:
        patience = self._patience
        if patience is None:
            return self._once(request)
        if patience.is_over:
            raise self._unreachable(f"no answer within {patience.within_s:g} s in all")
        waited = request.extensions["timeout"]
        request.extensions["timeout"] = {what: min(limit, patience.left_s) for what, limit in waited.items()}
        with patience.waiting():
            return self._once(request)

    def _once(self, request: httpx.Request) -> bytes:
        try:
            answer = self._http.send(request)
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.DecodingError) as error:
            raise self._unreachable(str(error)) from error
        except httpx.TimeoutException as error:
            waited_s = request.extensions["timeout"]["read"]
            raise _Passing(self._unreachable(f"no answer within {waited_s:.3g} s")) from error
        except httpx.TransportError as error:
            raise _Passing(self._unreachable(str(error) or type(error).__name__)) from error
        if answer.is_success:
            return self._body(answer)
        error = self._problem(answer)
        if answer.status_code in REPEATED:
            raise _Passing(error)
        raise error

    def _body(self, answer: httpx.Response) -> bytes:
        if "json" not in answer.headers.get("content-type", ""):
            raise self._stranger(answer)
        return answer.content

    def _problem(self, answer: httpx.Response) -> errors.DureError:
        retry_after_s = _retry_after_s(answer)
        try:
            problem = Problem.model_validate_json(answer.content, extra="ignore")
        except ValidationError:
            if answer.status_code in REPEATED:
                said = f"{self.server} answers {answer.status_code} {answer.reason_phrase}; try again shortly"
                return errors.Unavailable(said, retry_after_s=retry_after_s)
            return self._stranger(answer)
        return errors.from_problem(problem, retry_after_s=retry_after_s)

    def _stranger(self, answer: httpx.Response) -> errors.Unreachable:
        kind = answer.headers.get("content-type", "no content type").partition(";")[0]
        where = f", to {answer.headers['location']}" if answer.has_redirect_location else ""
        return errors.Unreachable(
            f"{self.server} answers, but not as a Dure API does (HTTP {answer.status_code}, {kind}{where}): check the address"
        )

    def _unreachable(self, why: str) -> errors.Unreachable:
        return errors.Unreachable(
            f"{self.server} cannot be reached ({why}): check the address, that the API runs there "
            f"({self.server}/healthz answers), and that no proxy or firewall is between"
        )


class _Passing(Exception):
    """An error that may be gone the next time."""

    def __init__(self, error: errors.DureError) -> None:
        self.error = error
        self.retry_after_s = error.retry_after_s or 0
        super().__init__(str(error))


def _pause(attempt: int) -> float:
    """Seconds before the next try: doubled each time, and spread so that clients do not come back together."""
    return min(_LAST_WAIT_S, _FIRST_WAIT_S * 2**attempt) * random.uniform(0.5, 1.0)


def _retry_after_s(answer: httpx.Response) -> int | None:
    """Retry-After in seconds; a date is measured by the answer's own Date, not by this machine's clock."""
    said = answer.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return int(said[:9])
    try:
        until, at = parsedate_to_datetime(said), parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None
    return max(0, int((_aware(until) - _aware(at)).total_seconds()))


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
