"""dure decision: from what a decision was made, and made again."""

from typing import Annotated

import typer

from dure.cli import limits
from dure.cli.command import command
from dure.cli.terminal import Terminal

app = typer.Typer(help="Decisions: from what they were made, and made again.", no_args_is_help=True)

DecisionId = Annotated[str, typer.Argument(metavar="DECISION", help="Its id, as dure lease explain shows it.")]


@command(app, "show")
def show(terminal: Terminal, decision_id: DecisionId) -> None:
    """Show whom a decision looked at, and what each got.

    Of other companies' leases in it you see times and sizes, not names.
    """
    from dure.render import explanations

    limits.name("DECISION", decision_id, limits.DECISION)
    with terminal.client() as client:
        found = client.decision(decision_id)
    terminal.show(found, lambda view: explanations.record(found, view))


@command(app, "replay")
def replay(terminal: Terminal, decision_id: DecisionId) -> None:
    """Make a decision again from the history.

    The inputs are rebuilt and checked, and the same bytes must come out; else the answer says what differs.
    """
    from dure.render import explanations

    limits.name("DECISION", decision_id, limits.DECISION)
    with terminal.client() as client:
        found = client.replay(decision_id)
    terminal.show(found, lambda view: explanations.replayed(found, view))
