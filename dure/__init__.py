"""Dure: time-boxed GPU leases with a promised start."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dure.client import Client

__all__ = ["Client"]


def __getattr__(name: str) -> object:
    """`dure.Client`, imported when it is first used: `import dure` alone stays light."""
    if name == "Client":
        from dure.client import Client

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
