"""Instants as they are written on objects."""

from datetime import UTC, datetime
from functools import lru_cache


def read(said: str) -> float:
    """Unix seconds of a time as the API server writes it. Raises ValueError."""
    return datetime.fromisoformat(said).timestamp()


@lru_cache(maxsize=16_384)
def written(at: float) -> str:
    """RFC 3339, whole seconds, UTC."""
    return datetime.fromtimestamp(int(at), UTC).isoformat().replace("+00:00", "Z")
