"""How the client's methods are sent and read: one answer, every page of a list, a preview. Knows no route."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from dure import errors, wire
from dure.http import Connection, Params
from dure.mistakes import sentence
from dure.patience import Patience

B = TypeVar("B", bound=BaseModel)
W = TypeVar("W", bound=wire.Wire)

PAGE_SIZE = 200
"""The most that the API gives in one page."""


class Sending:
    """One server, one token, and the ways to ask."""

    def __init__(
        self,
        server: str,
        token: str,
        *,
        timeout_s: float = 10,
        retries: int = 4,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        why: str | None = None,
        patience: Patience | None = None,
    ) -> None:
        """`why` goes with everything that changes something, into the audit log; `patience` is for all requests together."""
        self._sleep, self._why = sleep, why
        self._connection = Connection(
            server,
            token,
            timeout_s=timeout_s,
            retries=retries,
            transport=transport,
            sleep=sleep,
            patience=patience,
        )

    @property
    def server(self) -> str:
        return self._connection.server

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _get(self, path: str, answer: type[B], params: Params | None = None) -> B:
        return self._parsed(self._connection.send("GET", path, params=params, repeatable=True), answer)

    def _post(
        self,
        path: str,
        body: wire.Wire | None,
        answer: type[B],
        *,
        params: Params | None = None,
        key: str | None = None,
    ) -> B:
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        return self._parsed(self._change("POST", path, body, params=params, headers=headers), answer)

    def _put(self, path: str, body: wire.Wire, answer: type[B], *, params: Params | None = None) -> B:
        return self._parsed(self._change("PUT", path, body, params=params), answer)

    def _patch(self, path: str, body: wire.Wire, answer: type[B], *, params: Params | None = None) -> B:
        # It says what is to be, not by how much to change it, so it may be said twice.
        return self._parsed(self._change("PATCH", path, body, params=params), answer)

    def _delete(self, path: str, answer: type[B], *, params: Params | None = None) -> B:
        return self._parsed(self._change("DELETE", path, None, params=params), answer)

    def _change(
        self,
        method: str,
        path: str,
        body: wire.Wire | None,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        said = {**(params or {}), "reason": self._why}
        return self._connection.send(
            method, path, params=said, json=as_json(body), headers=headers or {}, repeatable=True
        )

    def _dry(self, path: str, answer: type[B], body: wire.Wire | None = None, *, method: str = "POST") -> B:
        sent = self._connection.send(method, path, params={"dry_run": "true"}, json=as_json(body), repeatable=True)
        return self._parsed(sent, answer)

    def _items(
        self, path: str, page: type[wire.Page[W]], *, params: Params | None = None, page_size: int = PAGE_SIZE
    ) -> Iterator[W]:
        cursor = None
        while True:
            found = self._get(path, page, {**(params or {}), "limit": page_size, "cursor": cursor})
            yield from found.items
            if found.next_cursor is None:
                return
            if found.next_cursor == cursor:
                raise errors.DureError(f"{self.server} answers {path} with the same page for ever")
            cursor = found.next_cursor

    def _parsed(self, body: bytes, answer: type[B]) -> B:
        try:
            # A newer server may say more than this client knows.
            return answer.model_validate_json(body, extra="ignore")
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the body"
            raise errors.DureError(
                f"{self.server} answered what this client cannot read as {answer.__name__} ({where}: {sentence(first)}); "
                "one of the two is newer than the other: upgrade dure"
            ) from error


def as_json(body: wire.Wire | None) -> bytes | None:
    if body is None:
        return None
    if isinstance(body, wire.Patch):
        return body.model_dump_json(exclude_unset=True).encode()
    return body.model_dump_json(exclude_none=True).encode()


def segment(name: str) -> str:
    if name.strip(".") == "":
        raise errors.NotFound(f"{name!r} is no name")
    return quote(name, safe="")


def as_time(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
