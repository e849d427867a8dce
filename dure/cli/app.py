"""The command `dure` itself: its nouns in the order of its help, and the options that go before them."""

import typer

from dure.cli import (
    ask,
    audit,
    calendar,
    company,
    decision,
    doctor,
    events,
    exits,
    fair,
    kube_key,
    lease,
    ledger,
    node,
    offer,
    pods,
    policy,
    pool,
    quota,
    report,
    share,
    status,
    support_bundle,
    token,
    top,
    usage,
    version,
    violations,
    webhook,
    whatif,
    work,
)
from dure.cli.command import Json, Server, Token, TokenFile, Why, Zone, begin

EPILOG = "\b\n" + "\n".join(["Exit codes:", *(f"  {code}  {meaning}" for code, meaning in exits.MEANINGS.items())])
"""The mark before it keeps the lines as they are."""

app = typer.Typer(
    name="dure",
    help="GPU leases with a promised start, from one pool that many startups share.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def root(
    ctx: typer.Context,
    *,
    server: Server = None,
    token: Token = None,
    token_file: TokenFile = None,
    zone: Zone = None,
    why: Why = None,
    json: Json = False,
) -> None:
    """GPU leases with a promised start, from one pool that many startups share."""
    said = {"server": server, "token": token, "token_file": token_file, "zone": zone, "why": why, "json": json}
    begin(ctx, said)


ask.register(app)
app.add_typer(lease.app, name="lease")
kube_key.register(app)
work.register(app)
pods.register(app)
app.add_typer(offer.app, name="offer")
app.add_typer(decision.app, name="decision")
calendar.register(app)
whatif.register(app)
status.register(app)
top.register(app)
usage.register(app)
report.register(app)
events.register(app)
app.add_typer(webhook.app, name="webhook")
app.add_typer(policy.app, name="policy")
app.add_typer(pool.app, name="pool")
app.add_typer(node.app, name="node")
violations.register(app)
doctor.register(app)
support_bundle.register(app)
app.add_typer(company.app, name="company")
app.add_typer(quota.app, name="quota")
app.add_typer(share.app, name="share")
app.add_typer(fair.app, name="fair")
app.add_typer(ledger.app, name="ledger")
app.add_typer(token.app, name="token")
audit.register(app)
version.register(app)


def main() -> None:
    """The console script."""
    app(prog_name="dure")
