"""dure quota: what companies may hold of pools, at once and over time."""

from typing import TYPE_CHECKING, Annotated

import typer

from dure.cli import files, limits, quota_said
from dure.cli.command import command
from dure.cli.terminal import BadFile, BadUsage, Terminal

if TYPE_CHECKING:
    from dure import wire
    from dure.client import Client
    from dure.errors import DureError, InvalidRequest
    from dure.quota_file import QuotaFile, QuotaFileError

app = typer.Typer(help="Quotas: what companies may hold, at once and over time.", no_args_is_help=True)

Company = Annotated[str, typer.Argument(metavar="COMPANY", help="The company.")]
Pool = Annotated[str, typer.Argument(metavar="POOL", help="The pool.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be so, and whom it touches; change nothing.")]
Revoke = Annotated[
    bool,
    typer.Option(
        "--revoke",
        help="Take back the promises that are beyond it, each named, for the reason that --why says; else they are kept.",
    ),
]


@command(app, "set", changes=True)
def put(  # noqa: PLR0913 (one parameter an option)
    terminal: Terminal,
    company: Company,
    pool: Pool,
    *,
    gpus: quota_said.Gpus = None,
    budget: quota_said.BudgetOption = None,
    carry_over: quota_said.CarryOver = None,
    begins: quota_said.Begins = None,
    ends: quota_said.Ends = None,
    longest: quota_said.Longest = None,
    furthest: quota_said.Furthest = None,
    ahead: quota_said.Ahead = None,
    open_asks: quota_said.OpenAsks = None,
    revoke: Revoke = False,
    dry_run: DryRun = False,
) -> None:
    """Set a quota, or change what is named of it.

    Promises already given stay, also beyond a lowered quota, unless --revoke takes them back; --dry-run names them.
    """
    from dure import wire
    from dure.render import quotas

    limits.name("COMPANY", company, limits.COMPANY)
    limits.name("POOL", pool, limits.POOL)
    said = quota_said.limits(gpus, longest, furthest, ahead, open_asks)
    _needs_why(terminal, revoke=revoke, dry_run=dry_run)
    with terminal.client() as client:
        if _of_budget := quota_said.budget_said(terminal, budget, carry_over, begins, ends):
            held = {one.pool: one for one in client.quotas(company)}.get(pool)
            said["budget"] = quota_said.budget_over(None if held is None else held.budget, _of_budget)
        body = wire.QuotaPatch.model_validate(said)
        found = client.set_quota(company, pool, body, dry_run=dry_run or revoke)
        if revoke and not dry_run:
            found = client.set_quota(company, pool, body, revoke=[one.lease for one in found.beyond])
    terminal.show(found, lambda view: quotas.quota(found, view, dry_run=dry_run, revoke=revoke))


@command(app, "remove", changes=True)
def remove(
    terminal: Terminal, company: Company, pool: Pool, *, revoke: Revoke = False, dry_run: DryRun = False
) -> None:
    """Take a company's own quota away.

    The pool's default is its from then on; without one the pool is closed to it. Promises already given stay, unless
    --revoke takes back those beyond it; --dry-run names them.
    """
    from dure.render import quotas

    limits.name("COMPANY", company, limits.COMPANY)
    limits.name("POOL", pool, limits.POOL)
    _needs_why(terminal, revoke=revoke, dry_run=dry_run)
    with terminal.client() as client:
        found = client.remove_quota(company, pool, dry_run=dry_run or revoke)
        if revoke and not dry_run:
            found = client.remove_quota(company, pool, revoke=[one.lease for one in found.beyond])
    terminal.show(found, lambda view: quotas.quota(found, view, dry_run=dry_run, revoke=revoke))


@command(app, "default", changes=True)
def default(  # noqa: PLR0913 (one parameter an option)
    terminal: Terminal,
    pool: Pool,
    *,
    gpus: quota_said.Gpus = None,
    budget: quota_said.BudgetOption = None,
    carry_over: quota_said.CarryOver = None,
    begins: quota_said.Begins = None,
    ends: quota_said.Ends = None,
    longest: quota_said.Longest = None,
    furthest: quota_said.Furthest = None,
    ahead: quota_said.Ahead = None,
    open_asks: quota_said.OpenAsks = None,
    revoke: Revoke = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take the default away.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Set a pool's default, or change what is named of it.

    It is the quota of every company that has none of its own there, also of those that are added later.
    """
    from dure import wire
    from dure.errors import InvalidRequest
    from dure.render import quotas

    limits.name("POOL", pool, limits.POOL)
    said = quota_said.limits(gpus, longest, furthest, ahead, open_asks)
    of_budget = quota_said.budget_said(terminal, budget, carry_over, begins, ends)
    if remove:
        if said or of_budget or dry_run or revoke:
            raise BadUsage("--remove", "it takes the whole default away; leave the other options out")
        with terminal.client() as client:
            gone = client.remove_default_quota(pool)
        terminal.show(gone, lambda _: quotas.no_default(gone))
        return
    _needs_why(terminal, revoke=revoke, dry_run=dry_run)
    with terminal.client() as client:
        held = next((one for one in client.all_quotas() if one.company is None and one.pool == pool), None)
        if of_budget:
            said["budget"] = quota_said.budget_over(None if held is None else held.budget, of_budget)
        if not said:
            raise BadUsage("--gpus", "or another option: say what the default is, for example --gpus 4")
        if held is None and "gpus" not in said:
            raise BadUsage(
                "--gpus", "there is no default yet; say how many GPUs at once it is for, for example --gpus 4"
            )
        before = {} if held is None else held.model_dump()
        one = wire.QuotaOf.model_validate({**before, **said, "company": None, "pool": pool})
        try:
            found = _import(client, wire.QuotaImport(quotas=[one]), revoke=revoke, dry_run=dry_run)
        except InvalidRequest as error:
            raise _of_one(error, pool) from None
    terminal.show(found, lambda view: quotas.imported(found, view, dry_run=dry_run, revoke=revoke))


def _needs_why(terminal: Terminal, *, revoke: bool, dry_run: bool) -> None:
    """Promises are taken back for a reason that is said, or not at all."""
    if revoke and not dry_run:
        terminal.needs_why("the pool is smaller from Monday on")


@command(app, "show")
def show(terminal: Terminal, company: Company) -> None:
    """Show a company's quotas.

    Beside each: what it holds now, the most it has booked at any instant, and what its budget has left.
    """
    from dure import wire
    from dure.render import quotas

    limits.name("COMPANY", company, limits.COMPANY)
    with terminal.client() as client:
        terminal.show_all(client.quotas(company), wire.Page[wire.Quota], quotas.quotas)


@command(app, "export")
def export(terminal: Terminal) -> None:
    """Write every quota as a file.

    Defaults of pools and the quotas that companies have of their own: what dure quota import takes.
    """
    from dure import quota_file, wire

    with terminal.client() as client:
        found = list(client.all_quotas())
    if terminal.flags.json:
        terminal.show_json(wire.Page[wire.QuotaOf](items=found, next_cursor=None))
    else:
        typer.echo(quota_file.write(found), nl=False)


@command(app, "import", changes=True)
def import_(
    terminal: Terminal,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file of quotas; - reads it from stdin.")],
    *,
    revoke: Revoke = False,
    dry_run: DryRun = False,
) -> None:
    """Set the quotas that a file says.

    All of them or none: a mistake is named with its line, and nothing is changed. Who is not in the file keeps what there
    is. With --dry-run it says what would be different, and which promises would be beyond it. Limits that have no use
    beside the others are named with their line, too.
    """
    from dure import wire
    from dure.errors import InvalidRequest
    from dure.render import quotas

    read = _read(file)
    _needs_why(terminal, revoke=revoke, dry_run=dry_run)
    with terminal.client() as client:
        try:
            found = _import(client, wire.QuotaImport(quotas=read.quotas), revoke=revoke, dry_run=dry_run)
        except InvalidRequest as error:
            raise _at_lines(file, read, error) from None
    places = {(one.company, one.pool): f"{file}:{line}" for one, line in zip(read.quotas, read.lines, strict=True)}
    terminal.show(found, lambda view: quotas.imported(found, view, dry_run=dry_run, revoke=revoke, places=places))


def _import(client: "Client", body: "wire.QuotaImport", *, revoke: bool, dry_run: bool) -> "wire.QuotaImported":
    """What is beyond it is revoked as it was just seen, and nothing that came since."""
    if not (dry_run or revoke):
        return client.import_quotas(body)
    preview = client.import_quotas(body, dry_run=True)
    if dry_run:
        return preview
    named = [one.lease for change in preview.changes for one in change.beyond]
    return client.import_quotas(body, revoke=named)


def _read(file: str) -> "QuotaFile":
    """Raises BadFile, and BadUsage where there is no such file."""
    from dure import quota_file

    try:
        return quota_file.read(files.data(file, quota_file.MOST_BYTES))
    except quota_file.QuotaFileError as error:
        raise _bad(file, error) from None


def _bad(file: str, error: "QuotaFileError") -> BadFile:
    return BadFile([(f"{file}:{one.line}", one.message) for one in error.mistakes])


def _of_one(error: "InvalidRequest", pool: str) -> "DureError":
    """What the server says of the only quota of a list, without its place there."""
    from dure.errors import UnknownPool

    place = "quotas.0."
    if [one.field for one in error.errors] == [f"{place}pool"]:
        said = f"there is no pool {pool}; `dure pool list` shows those there are"
        return UnknownPool(said, request_id=error.request_id)
    errors = [one.model_copy(update={"field": one.field.removeprefix(place)}) for one in error.errors]
    detail = error.detail.replace(place, "")
    return type(error)(detail, errors=errors, numbers=error.numbers, request_id=error.request_id)


def _at_lines(file: str, read: "QuotaFile", error: "InvalidRequest") -> Exception:
    """What the server says of a quota, at its line."""
    found: list[tuple[str, str]] = []
    for one in error.errors:
        head, _, rest = one.field.partition(".")
        number = rest.partition(".")[0]
        if head != "quotas" or not number.isdecimal():
            return error
        found.append((f"{file}:{read.lines[int(number)]}", one.message))
    return BadFile(found) if found else error
