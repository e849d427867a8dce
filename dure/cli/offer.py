"""dure offer: windows to choose from, and claiming one."""

from typing import TYPE_CHECKING, Annotated

import typer

from dure.cli import exits, limits, shapes
from dure.cli.ask import Purpose
from dure.cli.command import command
from dure.cli.policy_said import seconds
from dure.cli.terminal import Terminal

if TYPE_CHECKING:
    from dure import wire

app = typer.Typer(help="Offers: windows to choose from.", no_args_is_help=True)

OfferId = Annotated[str, typer.Argument(metavar="OFFER", help="Its id, as dure offer search shows it.")]


@command(app, "search")
def search(  # noqa: PLR0913 (one parameter an option)
    terminal: Terminal,
    pools: Annotated[str, typer.Argument(metavar="POOLS", help="One pool, or several: h100-80gb,a100-40gb.")],
    shape: Annotated[
        str, typer.Argument(metavar="SHAPE", help="8 for 8 GPUs in total, 2x8 for 2 nodes with 8 GPUs each.")
    ],
    *,
    duration: Annotated[str, typer.Option("--for", metavar="DURATION", help="How long: 90s, 30m, 2h30m, 1d.")],
    start: Annotated[str | None, typer.Option(metavar="TIME", help="Not before this; else from now on.")] = None,
    start_by: Annotated[str | None, typer.Option(metavar="TIME", help="Not later than this.")] = None,
    shortest: Annotated[
        str | None, typer.Option(metavar="DURATION", help="So short would do, if it is sooner.")
    ] = None,
    longest: Annotated[str | None, typer.Option(metavar="DURATION", help="So long would be welcome.")] = None,
    fewest: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="So few GPUs, or nodes of 2x8, would do, if it is sooner.")
    ] = None,
    purpose: Annotated[
        Purpose, typer.Option(metavar="|".join(Purpose), help="What the GPUs are for.")
    ] = Purpose.TRAINING,
    company: Annotated[
        str | None, typer.Option(metavar="COMPANY", help="For admins: search in this company's name.")
    ] = None,
) -> None:
    """Search for windows.

    Several different ones, each saying what speaks for it: the soonest, the cheapest (it leaves most of the company's
    quota free while it lasts), the best placement, later ones. They hold nothing; claim one within a few minutes.
    """
    from dure import wire
    from dure.render import offers

    body = wire.OfferSearch(
        pools=[name.strip() for name in pools.split(",") if name.strip()],
        shape=shapes.parse(shape),
        duration_s=seconds("--for", duration),
        shortest_s=None if shortest is None else seconds("--shortest", shortest),
        longest_s=None if longest is None else seconds("--longest", longest),
        fewest=fewest,
        start=terminal.instant("--start", start),
        start_by=terminal.instant("--start-by", start_by),
        purpose=purpose.value,
        company=company,
    )
    with terminal.client() as client:
        found = client.search_offers(body)
    terminal.show(found, lambda view: offers.found(found, view))
    if not found.items:
        raise typer.Exit(exits.REFUSED)


@command(app, "list")
def every(
    terminal: Terminal,
    *,
    company: Annotated[str | None, typer.Option(metavar="COMPANY", help="For admins: this company's alone.")] = None,
) -> None:
    """List the offers that can be claimed now."""
    from dure import wire
    from dure.render import offers

    limits.maybe("--company", company, limits.COMPANY)
    with terminal.client() as client:
        terminal.show_all(client.offers(company=company), wire.Page[wire.Offer], offers.offers)


@command(app, "show")
def show(terminal: Terminal, offer_id: OfferId) -> None:
    """Show an offer."""
    from dure.render import offers

    with terminal.client() as client:
        found = client.offer(offer_id)
    terminal.show(found, lambda view: offers.offer(found, view))


@command(app, "claim", changes=True)
def claim(
    terminal: Terminal,
    offer_id: OfferId,
    *,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Your own word for it, shown in lists.")] = None,
    renew: Annotated[
        bool, typer.Option("--renew", help="For inference: extend it by its own length again and again.")
    ] = False,
    least: Annotated[
        int | None,
        typer.Option(
            "--min",
            metavar="N",
            min=1,
            help="For inference: the fewest nodes of a gang, or GPUs, that it takes where not all of it is left.",
        ),
    ] = None,
    most: shapes.Most = None,
) -> None:
    """Claim an offer.

    It becomes a lease that starts exactly then. Who comes too late is shown fresh offers.
    """
    from dure import wire
    from dure.errors import OfferExpired, OfferGone
    from dure.render import leases

    with terminal.client() as client:
        try:
            lease = client.claim_offer(offer_id, wire.OfferClaim(name=name, renew=renew, min=least, max=most))
        except (OfferGone, OfferExpired) as gone:
            if gone.offers and not terminal.flags.json:  # with --json they are in the problem
                _tell_fresh(terminal, gone.offers)
            raise
    terminal.show(lease, lambda view: leases.answer(lease, view))


def _tell_fresh(terminal: Terminal, fresh: "list[wire.Offer]") -> None:
    from dure import wire
    from dure.render import offers

    terminal.show(wire.Offers(items=fresh), lambda view: offers.offers(fresh, view))
