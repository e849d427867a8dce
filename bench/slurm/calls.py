"""Calls of Slurm's commands, with what slurmctld itself says that they took it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from bench.gangs import Gang
from bench.lines import SLURM, Line, called
from bench.slurm.commands import Commands


def counted(
    what: str, peer: Commands, asks: Sequence[Gang], *, call: Callable[[Gang], object], counter: str, clients: int
) -> Line:
    """`counter` is sdiag's name for the remote call that `call` ends in."""
    before = peer.diagnosis().called(counter)
    line = called(SLURM, what, asks, call=call, clients=clients)
    return replace(line, server_ms=peer.diagnosis().called(counter).since(before))
