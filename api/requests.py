"""A request that was read whole and strictly before FastAPI sees it."""

import hashlib
import json
from typing import Any

from starlette.requests import Request
from starlette.types import Receive, Scope

REASON = "reason"
"""The query parameter that says why something is done. It asks for nothing."""


class ReadRequest(Request):
    """`value` is the JSON that `raw` holds; None where the address takes no body."""

    def __init__(self, scope: Scope, receive: Receive, *, raw: bytes, value: Any) -> None:
        super().__init__(scope, receive)
        self.raw = raw
        self.value = value

    async def body(self) -> bytes:
        return self.raw

    async def json(self) -> Any:
        return self.value

    def fingerprint(self) -> str:
        """The same for requests that ask for the same, however their JSON and query are written, and why ever."""
        query = sorted(item for item in self.query_params.multi_items() if item[0] != REASON)
        value = json.dumps(self.value, sort_keys=True)
        return hashlib.sha256(f"{self.method}\n{self.url.path}\n{query}\n{value}".encode()).hexdigest()
