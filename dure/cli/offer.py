"""dure offer: windows to choose from, and claiming one."""

from typing import TYPE_CHECKING, Annotated

import typer

from dure.cli import exits, shapes
from dure.cli.ask import Purpose
from dure.cli.command import command
from dure.cli.pool import seconds
from dure.cli.terminal import Terminal

if TYPE_CHECKING:
    from dure import wire

app = typer.Typer(help="Offers: windows to choose from.", no_args_is_help=True)

OfferId = Annotated[str, typer.Argument(metavar="OFFER", help="Its id, as dure offer search shows it.")]


@command(app, "search")
def search(
    terminal: Terminal,
    pools: Annotated[str, typer.Argument(metavar="POOLS", help="One pool, or several: h100-80gb,a100-40gb.")],
    shape: Annotated[
        str, typer.Argument(metavar="SHAPE", help="8 for 8 GPUs in total, 2x8 for 2 nodes with 8 GPUs each.")
    ],
    *,
    duration: Annotated[str, typer.Option("--for", metavar="DURATION", help="How long: 90s, 30m, 2h30m, 1d.")],
    start: Annotated[str | None, typer.Option(metavar="TIME", help="Not before this; else from now on.")] = None,
    start_by: Annotated[str | None, typer.Option(metavar="TIME", help="Not later than this.")] = None,
    purpose: Annotated[
        Purpose, typer.Option(metavar="|".join(Purpose), help="What the GPUs are for.")
    ] = Purpose.TRAINING,
    company: Annotated[
        str | None, typer.Option(metavar="COMPANY", help="For admins: search in this company's name.")
    ] = None,
) -> None:
    """Search for windows.

    They hold nothing; claim one within a few minutes.
    """
    from dure import wire
    from dure.render import offers

    body = wire.OfferSearch(
        pools=[name.strip() for name in pools.split(",") if name.strip()],
        shape=shapes.parse(shape),
        duration_s=seconds("--for", duration),
        start=terminal.instant("--start", start),
        start_by=terminal.instant("--start-by", start_by),
        purpose=purpose.value,
        company=company,
    )
    with terminal.client() as client:
        found = client.search_offers(body)
    terminal.show(found, lambda view: offers.offers(found.items, view))
    if not found.items:
        raise typer.Exit(exits.REFUSED)


@command(app, "show")
def show(terminal: Terminal, offer_id: OfferId) -> None:
    """Show an offer."""
    from dure.render import offers

    with terminal.client() as client:
        found = client.offer(offer_id)
    terminal.show(found, lambda view: offers.offers([found], view))


@command(app, "claim")
def claim(
    terminal: Terminal,
    offer_id: OfferId,
    *,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Your own word for it, shown in lists.")] = None,
) -> None:
    """Claim an offer.

    It becomes a lease that starts exactly then. Who comes too late is shown fresh offers.
    """
    from dure import wire
    from dure.errors import OfferExpired, OfferGone
    from dure.render import leases

    with terminal.client() as client:
        try:
            lease = client.claim_offer(offer_id, wire.OfferClaim(name=name))
        except (OfferGone, OfferExpired) as gone:
            _tell_fresh(terminal, gone.offers)
            raise
    terminal.show(lease, lambda view: leases.answer(lease, view))


def _tell_fresh(terminal: Terminal, fresh: "list[wire.Offer]") -> None:
    from dure import wire
    from dure.render import offers

    terminal.show(wire.Offers(items=fresh), lambda view: offers.offers(fresh, view))
