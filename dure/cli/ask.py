"""dure ask: GPUs for a time."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dure.cli import exits, shapes
from dure.cli.command import command
from dure.cli.policy_said import seconds
from dure.cli.terminal import BadUsage, Terminal

if TYPE_CHECKING:
    from dure import wire
    from dure.client import Client


class Purpose(StrEnum):
    """What the GPUs are for."""

    TRAINING = "training"
    INFERENCE = "inference"


def register(app: typer.Typer) -> None:
    """Adds the command to `dure` itself."""
    command(app, "ask", changes=True)(ask)


def ask(  # noqa: PLR0913 (one parameter an option)
    terminal: Terminal,
    pool: Annotated[str, typer.Argument(metavar="POOL", help="The pool, as dure pool list shows it.")],
    shape: Annotated[
        str, typer.Argument(metavar="SHAPE", help="8 for 8 GPUs in total, 2x8 for 2 nodes with 8 GPUs each.")
    ],
    *,
    duration: Annotated[str, typer.Option("--for", metavar="DURATION", help="How long: 90s, 30m, 2h30m, 1d.")],
    start: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help='Exactly then, for example "tomorrow 09:00" or +1h. Else, or with now, as soon as possible.',
        ),
    ] = None,
    start_by: Annotated[
        str | None, typer.Option(metavar="TIME", help="Not later than this; with --start, anywhere between the two.")
    ] = None,
    notice: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="It may start earlier than planned, if that is at least this far away; 0s for at once, 15m unless said. "
            "With --spot, how long before it is preempted you are told: 2m unless said, 30m at most.",
        ),
    ] = None,
    spot: Annotated[
        bool, typer.Option("--spot", help="On GPUs that are idle, beyond quota and budget; preempted when needed.")
    ] = False,
    or_spot: Annotated[
        bool, typer.Option("--or-spot", help="Take spot at once where it would wait for quota, budget or share.")
    ] = False,
    no_queue: Annotated[
        bool, typer.Option("--no-queue", help="Refuse rather than wait where no start can be promised.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be decided now; store and hold nothing.")
    ] = False,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Your own word for it, shown in lists.")] = None,
    purpose: Annotated[
        Purpose, typer.Option(metavar="|".join(Purpose), help="What the GPUs are for.")
    ] = Purpose.TRAINING,
    all_at_once: Annotated[
        bool, typer.Option("--all-at-once", help="Its pods start only once all of its GPUs are asked for: for gangs.")
    ] = False,
    not_extendable: Annotated[
        bool, typer.Option("--not-extendable", help="Its pods have their deadline from their start on.")
    ] = False,
    renew: Annotated[
        bool, typer.Option("--renew", help="For inference: extend it by its own length, again and again.")
    ] = False,
    least: Annotated[
        int | None,
        typer.Option(
            "--min", metavar="N", min=1, help="For inference: the fewest nodes of a gang, or GPUs, that it takes."
        ),
    ] = None,
    most: shapes.Most = None,
    company: Annotated[
        str | None, typer.Option(metavar="COMPANY", help="For admins: ask in this company's name.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(metavar="KEY", help="Idempotency key: the same key and ask give the same lease again.")
    ] = None,
) -> None:
    """Ask for GPUs for a time.

    The answer is a promised start, a place in the queue, or a refusal that says what would work.
    """
    from dure import wire

    _check_serving(purpose, {"--renew": renew, "--min": least is not None, "--max": most is not None})
    if renew and not_extendable:
        raise BadUsage("--not-extendable", "what renews itself is extended: leave out --renew, or --not-extendable")
    _check_spot(
        spot=spot,
        given={"--start": start is not None, "--renew": renew, "--max": most is not None, "--or-spot": or_spot},
    )
    notice_s = None if notice is None else seconds("--notice", notice)
    if spot and (notice_s or 0) > wire.SPOT_NOTICE_S:
        raise BadUsage(
            "--notice", "with --spot it is from 0s to 30m, as others may have to wait for it; for example 5m"
        )
    if or_spot and start is not None:
        raise BadUsage("--or-spot", "it is for what is wanted as soon as possible: leave out --start, or --or-spot")
    begin = terminal.start("--start", start, "a start as soon as possible")
    last = terminal.instant("--start-by", start_by)
    body = wire.Ask(
        pool=pool,
        shape=shapes.parse(shape),
        duration_s=seconds("--for", duration),
        start=begin,
        start_by=last,
        tier="spot" if spot else "reserved",
        or_spot=or_spot,
        notice_s=notice_s,
        queue=not no_queue,
        all_at_once=all_at_once,
        extendable=not not_extendable,
        name=name,
        purpose=purpose.value,
        renew=renew,
        min=least,
        max=most,
        company=company,
    )
    if dry_run:
        _quote(terminal, body)
    else:
        _ask(terminal, body, key)


def _check_serving(purpose: Purpose, given: dict[str, bool]) -> None:
    named = [option for option, wanted in given.items() if wanted]
    if named and purpose is not Purpose.INFERENCE:
        raise BadUsage(named[0], "it is for inference leases alone: add --purpose inference")


def _check_spot(*, spot: bool, given: dict[str, bool]) -> None:
    named = [option for option, wanted in given.items() if wanted]
    if spot and named:
        raise BadUsage(
            named[0], "spot starts once GPUs are idle, and is given no other end or size: leave it out, or --spot"
        )


def _ask(terminal: Terminal, body: "wire.Ask", key: str | None) -> None:
    from dure.render import leases

    with terminal.client() as client:
        lease = client.ask(body, idempotency_key=key)
        by_id = not terminal.flags.json and _needs_its_id(client, lease)
    terminal.show(lease, lambda view: leases.answer(lease, view, by_id=by_id))


def _needs_its_id(client: "Client", lease: "wire.Lease") -> bool:
    """Whether pods cannot name it by its name, where a cluster enforces it. What cannot be seen is not said: it was granted."""
    from dure import kube
    from dure.errors import DureError

    if lease.name is None or kube.is_label(lease.name):
        return False
    try:
        return client.pool(lease.pool).cluster is not None
    except DureError:
        return False


def _quote(terminal: Terminal, body: "wire.Ask") -> None:
    from dure import wire
    from dure.render import decisions

    with terminal.client() as client:
        quote = client.quote(body)
    terminal.show(quote, lambda view: decisions.quote(quote, view))
    if quote.decision.outcome is wire.Outcome.REFUSED:
        raise typer.Exit(exits.REFUSED)
