"""dure lease watch: prints each change of a lease until it is over. Polls; an outage of the server is waited out."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dure.cli import exits, lease_said
from dure.cli.lease_said import LeaseSaid
from dure.cli.policy_said import seconds
from dure.cli.terminal import BadUsage, Terminal

if TYPE_CHECKING:
    from dure import wire

LONGEST_SILENCE_S = 300
"""How long the server may be away before a watch gives up."""


_OVER = frozenset({"ended", "cancelled", "expired", "refused"})
_RUNNING = frozenset({"active", "ending"})


class Until(StrEnum):
    """How far a watch goes."""

    ACTIVE = "active"
    ENDED = "ended"


def watch(
    terminal: Terminal,
    lease: LeaseSaid,
    *,
    until: Annotated[
        Until, typer.Option(metavar="|".join(Until), help="Stop when it is active, or when it is over.")
    ] = Until.ENDED,
    interval: Annotated[str, typer.Option(metavar="DURATION", help="How often to look.")] = "2s",
) -> None:
    """Follow a lease until it is over.

    A line for each change. With --until active it exits 8 where the lease is over before it was active.
    """
    interval_s = seconds("--interval", interval)
    if interval_s < 1:
        raise BadUsage("--interval", "look at most once a second: write 1s or more")
    lease_said.checked(lease)
    with terminal.client() as client:
        lease_id = lease_said.id_of(client, lease)
        last = _follow(terminal, _looks(terminal, lambda: client.lease(lease_id), interval_s), until)
    if until is Until.ACTIVE and last not in _RUNNING:
        terminal.note(f"it is {last} and was not active")
        raise typer.Exit(exits.CONFLICT)


def _follow(terminal: Terminal, looks: "Iterator[wire.Lease]", until: Until) -> str:
    """Prints the changes and gives the state in which the watch ends."""
    from dure.render import leases

    stop = _OVER | _RUNNING if until is Until.ACTIVE else _OVER
    before = None
    for lease in looks:
        if terminal.flags.json and lease != before:
            terminal.show_json(lease)
        elif not terminal.flags.json and (line := leases.change(before, lease, terminal.view(terminal.outside.now()))):
            terminal.show_line(line)
        if lease.state in stop:
            return lease.state
        before = lease
    raise AssertionError("a watch looks until it is told to stop")


def _looks(terminal: Terminal, look: "Callable[[], wire.Lease]", interval_s: int) -> "Iterator[wire.Lease]":
    """The lease again and again. Raises Unreachable or Unavailable after LONGEST_SILENCE_S without an answer."""
    from dure.errors import Unavailable, Unreachable

    heard, away = terminal.now, False
    while True:
        try:
            lease = look()
        except (Unavailable, Unreachable) as error:
            if (terminal.outside.now() - heard).total_seconds() > LONGEST_SILENCE_S:
                raise
            if not away:
                terminal.note(f"still watching: {error}")
            away = True
        else:
            heard, away = terminal.outside.now(), False
            yield lease
        terminal.outside.sleep(interval_s)
