"""One small JSON request to the allocator on a connection of its own, for what happens twice a week."""

import json
from collections.abc import Mapping
from typing import Any

from agents.identity.joining import Post
from agents.reporting.connection import Connection, Patience, Unreachable, Unreadable

PATIENCE = Patience(connect_s=5.0, total_s=10.0)
SHOWN_BYTES = 200


def to(server: str) -> Post:
    """Posts to the allocator at `server`, such as `https://dure.example.org/allocator`."""

    def post(path: str, token: str, body: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
        connection = Connection(server)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            response = connection.post(path, json.dumps(body).encode(), headers, patience=PATIENCE)
        except (Unreachable, Unreadable) as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()
        return response.status, _object(response.status, response.body)

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
    return {"code": "", "detail": said[:SHOWN_BYTES].decode(errors="replace")}
