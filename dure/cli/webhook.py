"""dure webhook: addresses that are told a company's events."""

from itertools import islice
from typing import Annotated

import typer

from dure.cli import exits, limits
from dure.cli.command import command
from dure.cli.terminal import Terminal

app = typer.Typer(help="Webhooks: addresses that are told what happens to leases.", no_args_is_help=True)

WebhookId = Annotated[str, typer.Argument(metavar="WEBHOOK", help="Its id, as dure webhook list shows it.")]
MOST = 1000
"""Deliveries that one list shows."""


@command(app, "add", changes=True)
def add(
    terminal: Terminal,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where events are sent, with https://.")],
    *,
    company: Annotated[str | None, typer.Option(metavar="COMPANY", help="For admins: whose events it is told.")] = None,
    label: Annotated[str | None, typer.Option(metavar="LABEL", help="A word to know it by in lists.")] = None,
) -> None:
    """Add a webhook, which is told what happens from now on.

    The secret that proves who sends is shown this once.
    """
    from dure import wire
    from dure.render import webhooks

    body = wire.WebhookCreate(url=url, company=company, label=label)
    with terminal.client() as client:
        issued = client.add_webhook(body)
    terminal.show(issued, lambda view: webhooks.issued(issued, view))


@command(app, "list")
def every(
    terminal: Terminal,
    company: Annotated[str | None, typer.Option(metavar="COMPANY", help="For admins: only this company's.")] = None,
) -> None:
    """List the webhooks, and how each is."""
    from dure import wire
    from dure.render import webhooks

    limits.maybe("--company", company, limits.COMPANY)
    with terminal.client() as client:
        terminal.show_all(client.webhooks(company=company), wire.Page[wire.Webhook], webhooks.webhooks)


@command(app, "show")
def show(terminal: Terminal, webhook_id: WebhookId) -> None:
    """Show a webhook, and what became of the last events."""
    from dure.render import webhooks

    limits.name("WEBHOOK", webhook_id, limits.WEBHOOK)
    with terminal.client() as client:
        found = client.webhook(webhook_id)
        sent = [] if terminal.flags.json else list(islice(client.deliveries(webhook_id, page_size=10), 10))
    terminal.show(found, lambda view: webhooks.webhook(found, sent, view))


@command(app, "deliveries")
def deliveries(
    terminal: Terminal,
    webhook_id: WebhookId,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=MOST, help="How many at most.")] = 50,
) -> None:
    """List what became of each event for a webhook.

    The newest event first.
    """
    from dure import wire
    from dure.render import webhooks

    limits.name("WEBHOOK", webhook_id, limits.WEBHOOK)
    with terminal.client() as client:
        found = islice(client.deliveries(webhook_id, page_size=min(limit, 200)), limit)
        terminal.show_all(found, wire.Page[wire.Delivery], webhooks.deliveries)


@command(app, "test")
def test(terminal: Terminal, webhook_id: WebhookId) -> None:
    """Send a test event now, and say what came of it.

    Exits 6 where the address did not take it.
    """
    from dure.render import webhooks

    limits.name("WEBHOOK", webhook_id, limits.WEBHOOK)
    with terminal.client() as client:
        found = client.test_webhook(webhook_id)
    terminal.show(found, lambda _: webhooks.tested(found))
    if not found.ok:
        raise typer.Exit(exits.UNAVAILABLE)


@command(app, "rotate", changes=True)
def rotate(terminal: Terminal, webhook_id: WebhookId) -> None:
    """Change the secret of a webhook.

    The new one is shown this once; the old one signs too for a day.
    """
    from dure.render import webhooks

    limits.name("WEBHOOK", webhook_id, limits.WEBHOOK)
    with terminal.client() as client:
        issued = client.rotate_webhook(webhook_id)
    terminal.show(issued, lambda view: webhooks.issued(issued, view))


@command(app, "enable", changes=True)
def enable(terminal: Terminal, webhook_id: WebhookId) -> None:
    """Send to a webhook again, from now on.

    What it missed while it was disabled is in dure events.
    """
    from dure.render import webhooks

    limits.name("WEBHOOK", webhook_id, limits.WEBHOOK)
    with terminal.client() as client:
        found = client.enable_webhook(webhook_id)
    terminal.show(found, lambda view: webhooks.webhook(found, [], view))


@command(app, "remove", changes=True)
def remove(terminal: Terminal, webhook_id: WebhookId) -> None:
    """Remove a webhook; nothing is sent to it any more."""
    from dure.render import webhooks

    limits.name("WEBHOOK", webhook_id, limits.WEBHOOK)
    with terminal.client() as client:
        found = client.remove_webhook(webhook_id)
    terminal.show(found, lambda view: webhooks.webhook(found, [], view))
