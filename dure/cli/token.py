"""dure token: who may do what."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dure.cli import limits
from dure.cli.command import command
from dure.cli.secret_file import prepared
from dure.cli.terminal import BadUsage, Terminal

if TYPE_CHECKING:
    from dure import wire

app = typer.Typer(help="Tokens: who may do what.", no_args_is_help=True)


class Role(StrEnum):
    """Whom a token speaks for."""

    ADMIN = "admin"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    COMPANY = "company"
    NODE = "node"


@command(app, "issue", changes=True)
def issue(
    terminal: Terminal,
    *,
    role: Annotated[
        Role | None, typer.Option(metavar="|".join(Role), help="Taken from --company or --node where one is given.")
    ] = None,
    company: Annotated[str | None, typer.Option(metavar="COMPANY", help="The company it speaks for.")] = None,
    node: Annotated[
        str | None, typer.Option(metavar="NODE", help="The node it reports for; dure node enroll makes the first.")
    ] = None,
    label: Annotated[str | None, typer.Option(metavar="LABEL", help="A word to know it by in lists.")] = None,
    expires: Annotated[str | None, typer.Option(metavar="TIME", help='When it ends, for example "+30d".')] = None,
    token_file: Annotated[
        str | None, typer.Option(metavar="PATH", help="Write the new secret there, mode 600, instead of showing it.")
    ] = None,
) -> None:
    """Issue a token.

    Its secret is shown this once, or written to a file.
    """
    from dure import wire

    role = role or _implied(company, node)
    body = wire.TokenIssue(
        role=wire.Role(role),
        company=company,
        node=node,
        label=label,
        expires_at=terminal.instant("--expires", expires),
    )
    if token_file is None:
        with terminal.client() as client:
            show_issued(terminal, client.issue_token(body), None)
        return
    with terminal.client() as client, prepared(token_file, replace=False, own=terminal.token_path) as file:
        issued = client.issue_token(body)
        file.keep(issued.secret)
    show_issued(terminal, issued, str(file.path))


@command(app, "list")
def every(terminal: Terminal) -> None:
    """List the tokens; never their secrets."""
    from dure import wire
    from dure.render import companies

    with terminal.client() as client:
        terminal.show_all(client.tokens(), wire.Page[wire.Token], companies.tokens)


@command(app, "revoke", changes=True)
def revoke(
    terminal: Terminal,
    token_id: Annotated[str, typer.Argument(metavar="TOKEN_ID", help="Its id, as dure token list shows it.")],
) -> None:
    """Revoke a token at once, for ever."""
    from dure.render import companies

    limits.name("TOKEN_ID", token_id, limits.TOKEN)
    with terminal.client() as client:
        revoked = client.revoke_token(token_id)
    terminal.show(revoked, lambda view: companies.revoked(revoked, view))


def show_issued(terminal: Terminal, issued: "wire.IssuedToken", path: str | None) -> None:
    """The new token: with its secret, or, where that lies at `path`, without."""
    from dure.render import companies

    value = issued if path is None else issued.token
    terminal.show(value, lambda view: companies.issued(issued, path, view))


def _implied(company: str | None, node: str | None) -> Role:
    if company is not None:
        return Role.COMPANY
    if node is not None:
        return Role.NODE
    raise BadUsage("--role", "say whose token: --company NAME, --node NAME, or --role admin, operator or auditor")
