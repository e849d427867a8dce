"""dure top: the fleet live in the terminal."""

import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from dure.cli.command import command
from dure.cli.policy_said import seconds
from dure.cli.terminal import BadUsage, Terminal, is_screen

if TYPE_CHECKING:
    from dure.cli.keyboard import Keyboard
    from dure.cli.top_looks import Looking


def register(app: typer.Typer) -> None:
    """Adds the command to `dure` itself."""
    command(app, "top")(top)


def top(
    terminal: Terminal,
    *,
    interval: Annotated[str, typer.Option(metavar="DURATION", help="How often to look.")] = "5s",
    once: Annotated[bool, typer.Option("--once", help="Print one look, and end.")] = False,
) -> None:
    """Watch the fleet live on one screen.

    Pools with what is free, held, sick and draining; what starts and ends next; companies with how busy their GPUs are; the queue;
    nodes, those that need somebody first. q quits, r looks again. While the API is away the last look stays, with since when.
    Where stdout is no terminal, and with --once or --json, it is one look.
    """
    interval_s = seconds("--interval", interval)
    if interval_s < 1:
        raise BadUsage("--interval", "look at most once a second: write 1s or more")
    if once or terminal.flags.json or not is_screen(sys.stdout):
        _once(terminal)
    else:
        _live(terminal, interval_s)


def _once(terminal: Terminal) -> None:
    from dure.cli.top_looks import Source
    from dure.render import top as render

    with terminal.client() as client:
        found = Source(client, terminal.outside.now).look()
    terminal.show(found, lambda view: render.frame(found, view))


def _live(terminal: Terminal, interval_s: int) -> None:
    from dure.cli.keyboard import Keyboard
    from dure.cli.top_looks import Looking, Source

    # One try each time: the next look is the next try.
    client = terminal.client(retries=0)
    with Keyboard() as keyboard:
        source = Source(client, terminal.outside.now)
        looking = Looking(source.look, terminal.outside.now, interval_s=interval_s, told=keyboard.wake)
        try:
            _show(terminal, keyboard, looking, interval_s)
        finally:
            looking.stop()
    if looking.failed is not None:
        raise looking.failed
    # Ctrl-C is a way to quit as well.
    if keyboard.ended not in (None, signal.SIGINT):
        raise typer.Exit(128 + keyboard.ended)


def _show(terminal: Terminal, keyboard: "Keyboard", looking: "Looking", interval_s: int) -> None:
    """Until somebody quits, or it cannot go on."""
    from rich.live import Live

    from dure.cli.keyboard import ESCAPE
    from dure.render import top as render

    console = terminal.console()
    with Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
        while looking.failed is None and keyboard.ended is None:
            now = terminal.outside.now()
            view = terminal.looked_at(console, now)
            shown = render.screen(looking.seen, view, interval_s=interval_s, height=console.height)
            live.update(shown, refresh=True)
            keys = keyboard.wait(1 - now.microsecond / 1_000_000)
            if "q" in keys or keys == ESCAPE:
                return
            if "r" in keys:
                looking.again()
