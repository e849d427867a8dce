"""dure report: what was had and used on whole days, by whatever it is cut."""

from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from dure import times
from dure.cli import limits
from dure.cli.command import command
from dure.cli.terminal import BadUsage, Terminal

if TYPE_CHECKING:
    from dure import wire

CUTS: "tuple[wire.ReportCut, ...]" = ("company", "group", "pool", "day", "lease")


def register(app: typer.Typer) -> None:
    """Adds the command to `dure` itself."""
    command(app, "report")(report)


def report(
    terminal: Terminal,
    *,
    by: Annotated[
        str,
        typer.Option(metavar="CUT,...", help="By what it is cut, one or more of company, group, pool, day and lease."),
    ] = "company,pool",
    since: Annotated[
        str | None, typer.Option(metavar="DAY", help='The first day, for example "2026-11-01"; else 30 days.')
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="DAY", help="The first day that is not in it; else tomorrow, so that today is."),
    ] = None,
    company: Annotated[str | None, typer.Option(metavar="COMPANY", help="For staff: only this company's.")] = None,
    pool: Annotated[str | None, typer.Option(metavar="POOL", help="Only of this pool.")] = None,
    group: Annotated[
        str | None,
        typer.Option(metavar="GROUP", help="Only of the companies of this group, or of those in none (none)."),
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="As comma-separated values, for spreadsheets.")] = False,
) -> None:
    """Report what was had and used.

    GPU-seconds leased, and of them busy, idle, and unknown to anybody; lost; energy, mean utilisation and memory. Whole days
    of the programme's zone. Whatever it is cut by, the sums are the same, to the second.
    """
    from dure import sheet
    from dure.render import reports

    company = limits.maybe("--company", company, limits.COMPANY)
    pool = limits.maybe("--pool", pool, limits.POOL)
    group = limits.maybe("--group", group, limits.GROUP)
    if csv and terminal.flags.json:
        raise BadUsage("--csv", "say --csv or --json, not both")
    first, end = _day(terminal, "--since", since), _day(terminal, "--until", until)
    with terminal.client() as client:
        found = client.usage_report(_cuts(by), since=first, until=end, company=company, pool=pool, group=group)
    if csv:
        terminal.show_text(sheet.text(found))
    else:
        terminal.show(found, lambda view: reports.report(found, view))


def _cuts(said: str) -> "list[wire.ReportCut]":
    """Raises BadUsage."""
    found: list[wire.ReportCut] = [cut for name in said.split(",") for cut in CUTS if cut == name.strip()]
    if len(found) != len(said.split(",")) or len(set(found)) != len(found):
        raise BadUsage(
            "--by",
            f"{said!r} is none: one or more of company, group, pool, day and lease, each once; for example company,day",
        )
    return found


def _day(terminal: Terminal, option: str, said: str | None) -> date | None:
    """Raises BadUsage that names the option."""
    if said is None:
        return None
    try:
        return times.parse_day(said, now=terminal.now, zone=terminal.context.zone)
    except times.TimeError as error:
        raise BadUsage(option, str(error)) from None
