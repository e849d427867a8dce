"""One small JSON request to the allocator on a connection of its own, for what happens twice a week."""

import json
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from agents.joining import Post

TIMEOUT_S = 10.0
LARGEST_BYTES = 65_536


def to(server: str) -> Post:
    """Posts to the allocator at `server`, such as `https://dure.example.org/allocator`."""
    parts = urlsplit(server)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection

    def post(path: str, token: str, body: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            connection.request("POST", parts.path.rstrip("/") + path, json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, _object(response.status, response.read(LARGEST_BYTES))
        except HTTPException as error:
            raise OSError(f"no HTTP came back: {type(error).__name__}: {error}") from error
        finally:
            connection.close()

    return post


def _object(status: int, said: bytes) -> Mapping[str, Any]:
    """A proxy that answers for the allocator may say anything with a status of its own."""
    try:
        found = json.loads(said)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    if status == 200:
        raise OSError("what answered is no allocator: no JSON object came back")
    return {"code": "", "detail": said[:200].decode(errors="replace")}
