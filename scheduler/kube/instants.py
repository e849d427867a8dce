"""Instants as they are written on objects."""

from datetime import UTC, datetime


def read(said: str) -> float:
    """Unix seconds of a time as the API server writes it. Raises ValueError."""
    return datetime.fromisoformat(said).timestamp()


def written(at: float) -> str:
    """RFC 3339, whole seconds, UTC."""
    return datetime.fromtimestamp(int(at), UTC).isoformat().replace("+00:00", "Z")
