"""Instants as they are written on objects."""

from datetime import UTC, datetime


def written(at: float) -> str:
    """RFC 3339, whole seconds, UTC."""
    return datetime.fromtimestamp(int(at), UTC).isoformat().replace("+00:00", "Z")
