"""Which lease a person means: they say its id, or its name."""

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from dure.cli.terminal import BadUsage, Terminal

if TYPE_CHECKING:
    from dure import wire
    from dure.client import Client

LeaseSaid = Annotated[
    str, typer.Argument(metavar="LEASE", help="Its id, or the name that you gave it, as dure lease list shows them.")
]

ID = "lea_"
"""What every id begins with."""

NAMED = 20
"""Leases of one name that are said; of more only that there are more."""

_LONGEST = 100
"""Characters of a name."""


def checked(said: str, *, option: str = "LEASE") -> str:
    """Raises BadUsage for what is neither an id nor a name; before anything is sent."""
    is_id = said.isascii() and said.replace("_", "").isalnum()
    is_name = 0 < len(said) <= _LONGEST and said.isprintable() and bool(said.strip())
    if is_id if said.startswith(ID) else is_name:
        return said
    shown = repr(said) if len(said) <= _LONGEST else f"{said[:_LONGEST]!r}... ({len(said)} characters)"
    raise BadUsage(
        option,
        f"{shown} is none: say its id or its name, as dure lease list shows them, for example lea_06eqz8n1hg7k2m9v4r3t",
    )


def id_of(client: "Client", said: str, *, option: str = "LEASE") -> str:
    """The id as it is; of a name that of the lease that is not over, else of the last that was, else of the last refused ask.

    Raises UnknownLease, and BadUsage where several that are not over have the name.
    """
    from dure.errors import UnknownLease
    from dure.wire import LeaseState

    if checked(said, option=option).startswith(ID):
        return said
    is_open = (LeaseState.QUEUED, LeaseState.SCHEDULED, LeaseState.ACTIVE, LeaseState.ENDING)
    found = _called(client, said, is_open, NAMED + 1)
    if len(found) > 1:
        raise BadUsage(option, _several(said, found))
    for states in ((LeaseState.ENDED, LeaseState.CANCELLED, LeaseState.EXPIRED), (LeaseState.REFUSED,)):
        found = found or _called(client, said, states, 1)
    if not found:
        raise UnknownLease(
            f"there is no lease {said} of yours, by its id or its name; `dure lease list` shows those there are"
        )
    return found[0].id


def _called(client: "Client", name: str, states: "Sequence[wire.LeaseState]", most: int) -> "list[wire.Lease]":
    """The newest first."""
    return list(islice(client.leases(name=name, states=states, page_size=most), most))


def _several(name: str, found: "list[wire.Lease]") -> str:
    # Staff see every company's.
    whose = len({one.company for one in found}) > 1
    ids = [f"{one.id} of {one.company}" if whose else one.id for one in found[:NAMED]]
    more = " and more" if len(found) > NAMED else ""
    return f"several leases that are not over are called {name}; say which by its id: {', '.join(ids)}{more}"


def of(terminal: Terminal, said: str) -> str:
    """`id_of`, for who has no client open."""
    with terminal.client() as client:
        return id_of(client, said)
