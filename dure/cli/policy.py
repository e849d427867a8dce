"""dure policy: how every pool promises, as one file with a history."""

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from dure.cli import files, limits
from dure.cli.command import command
from dure.cli.terminal import BadFile, BadUsage, Terminal

if TYPE_CHECKING:
    from dure import wire
    from dure.policy_file import PolicyFile, PolicyFileError

app = typer.Typer(help="The policy: how every pool promises, with its history.", no_args_is_help=True)

File = Annotated[str, typer.Argument(metavar="FILE", help="A policy file; - reads it from stdin.")]
Version = Annotated[int | None, typer.Option("--version", metavar="N", min=1, help="This version; else the live one.")]


@command(app, "show")
def show(
    terminal: Terminal,
    *,
    version: Version = None,
    pool: Annotated[str | None, typer.Option(metavar="POOL", help="What it says of this pool alone.")] = None,
) -> None:
    """Show the policy as a file.

    What is printed is what dure policy apply takes: change it, and apply it again.
    """
    from dure import policy_file
    from dure.errors import UnknownPool

    pool = limits.maybe("--pool", pool, limits.POOL)
    with terminal.client() as client:
        found = client.policy(version)
    if pool is not None and pool not in found.pools:
        there = f"it has {', '.join(sorted(found.pools))}" if found.pools else "it has none"
        raise UnknownPool(f"version {found.version} of the policy has no pool {pool}; {there}")
    if terminal.flags.json:
        terminal.show_json(found if pool is None else found.model_copy(update={"pools": {pool: found.pools[pool]}}))
    else:
        typer.echo(policy_file.write(found, pool=pool), nl=False)


@command(app, "check")
def check(
    terminal: Terminal,
    file: File,
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="Look at the file alone, though a server is configured.")
    ] = False,
) -> None:
    """Check a policy file, and change nothing.

    Every mistake is named with its line. With a server, also against the pools that there are, and what it would change.
    """
    from dure import wire
    from dure.render import policies

    found = _read(file)
    if offline or not terminal.context.server or not terminal.context.token:
        compared = wire.PolicyCompared(file=file, before=None, after=found.version, changes=[])
    else:
        compared = _against_live(terminal, file, found)
    terminal.show(compared, lambda view: policies.checked(compared, view))


@command(app, "diff")
def diff(
    terminal: Terminal,
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="A policy file, compared with what is live.")
    ] = None,
    *,
    since: Annotated[
        int | None, typer.Option("--from", metavar="N", min=1, help="From this version; else the one before.")
    ] = None,
    until: Annotated[
        int | None, typer.Option("--to", metavar="N", min=1, help="To this version; else the live one.")
    ] = None,
) -> None:
    """Show what two policies say differently.

    A file and the live version; or two versions, the live one and the one before it unless said.
    """
    from dure import wire
    from dure.render import policies
    from dure.wire.policies import differences

    if file is not None:
        if since is not None or until is not None:
            raise BadUsage("FILE", "a file is compared with the live version; leave --from and --to out")
        compared = _against_live(terminal, file, _read(file), moved=True)
    else:
        with terminal.client() as client:
            after = client.policy(until)
            before = client.policy(since or max(1, after.version - 1))
        compared = wire.PolicyCompared(
            file=None, before=before.version, after=after.version, changes=differences(before, after)
        )
    terminal.show(compared, lambda view: policies.compared(compared, view))


@command(app, "apply", changes=True)
def apply(
    terminal: Terminal,
    file: File,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would change, and change nothing.")] = False,
) -> None:
    """Make a policy file the live policy.

    For admins, and with --why: it stays in the history. All of it holds from then on, or nothing; what is promised stays
    promised. A file that was made from another version than the live one is refused.
    """
    from dure import policy_file
    from dure.render import policies

    found = _read(file)
    if not dry_run:
        terminal.needs_why("shorter promises in June", kept_in="the history")
    with terminal.client() as client:
        try:
            body = policy_file.complete(found, client.policy())
        except policy_file.PolicyFileError as error:
            raise _bad(file, error) from None
        applied = client.preview_policy(body) if dry_run else client.put_policy(body)
    terminal.show(applied, lambda view: policies.applied(applied, view, dry_run=dry_run))


@command(app, "history")
def history(
    terminal: Terminal,
    *,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="How many at most.")] = 20,
) -> None:
    """List the policy's versions.

    Newest first: who made each, when and why, and what it changed.
    """
    from dure import wire
    from dure.render import policies

    with terminal.client() as client:
        found = client.policy_versions(page_size=min(limit, 200))
        terminal.show_all(islice(found, limit), wire.Page[wire.PolicyVersion], policies.versions)


def _against_live(terminal: Terminal, file: str, found: "PolicyFile", *, moved: bool = False) -> "wire.PolicyCompared":
    """What the file says differently; unless it may have `moved`, it was made from the live version. Raises PolicyMoved."""
    from dure import policy_file, wire
    from dure.errors import PolicyMoved
    from dure.wire.policies import differences

    with terminal.client() as client:
        live = client.policy()
    try:
        changes = differences(live, policy_file.complete(found, live))
    except policy_file.PolicyFileError as error:
        raise _bad(file, error) from None
    if changes and found.version != live.version and not moved:
        raise PolicyMoved(
            f"{file} was made from version {found.version} of the policy, and version {live.version} is live; `dure policy "
            f"diff {file}` shows where they differ: take over what is right, and say version: {live.version}"
        )
    return wire.PolicyCompared(file=file, before=live.version, after=found.version, changes=changes)


def _read(file: str) -> "PolicyFile":
    """Raises BadFile, and BadUsage where there is no such file."""
    from dure import documents, policy_file

    try:
        return policy_file.read(files.data(file, documents.MOST_BYTES))
    except policy_file.PolicyFileError as error:
        raise _bad(file, error) from None


def _bad(file: str, error: "PolicyFileError") -> BadFile:
    return BadFile(
        [(f"{file}:{one.line}", f"{one.where}: {one.message}" if one.where else one.message) for one in error.mistakes]
    )
