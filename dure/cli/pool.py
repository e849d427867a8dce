"""dure pool: interchangeable GPUs."""

from typing import TYPE_CHECKING, Annotated

import typer

from dure.cli import limits
from dure.cli.command import command
from dure.cli.terminal import BadUsage, Terminal

if TYPE_CHECKING:
    from dure import wire

app = typer.Typer(help="Pools: interchangeable GPUs of one product.", no_args_is_help=True)

RuleName = Annotated[
    str, typer.Option(metavar="RULE", help="How asks are promised: late-slots, earliest-slot or only-earlier.")
]
Slack = Annotated[
    str, typer.Option(metavar="PERCENT", help="By how much of its length an ask that waits may be promised later.")
]
Reserve = Annotated[
    str | None, typer.Option(metavar="PERCENT:DURATION", help="Close that part to leases longer than that: 2%:1h.")
]
Seniority = Annotated[
    str | None, typer.Option(metavar="DURATION", help="What has waited longer goes first when room appears.")
]
Name = Annotated[str, typer.Argument(metavar="POOL", help="Its name, for example h100-80gb.")]


@command(app, "add")
def add(  # noqa: PLR0913 (one parameter an option)
    terminal: Terminal,
    name: Name,
    *,
    product: Annotated[
        str, typer.Option(metavar="PRODUCT", help='NVML product name of its GPUs, for example "NVIDIA H100 80GB HBM3".')
    ],
    gap: Annotated[
        str, typer.Option(metavar="DURATION", help="After each lease, for cleaning and proof of empty.")
    ] = "30s",
    grace: Annotated[
        str, typer.Option(metavar="DURATION", help="Before a lease's end, when it becomes ending.")
    ] = "30s",
    extension_closes: Annotated[
        str, typer.Option(metavar="DURATION", help="Until so long before its end a lease is extended.")
    ] = "10m",
    empty_memory_mib: Annotated[
        int, typer.Option(metavar="MIB", help="A GPU with no process and at most this in use is empty.")
    ] = 1024,
    rule: RuleName = "late-slots",
    slack: Slack = "5%",
    reserve: Reserve = None,
    seniority: Seniority = None,
) -> None:
    """Add a pool.

    GPUs of its product join it at once.
    """
    from dure import wire
    from dure.render import fleet

    body = wire.PoolCreate(
        name=name,
        product=product,
        gap_s=seconds("--gap", gap),
        grace_s=seconds("--grace", grace),
        extension_closes_s=seconds("--extension-closes", extension_closes),
        empty_memory_bytes=empty_memory_mib << 20,
        **_policy(rule, slack, reserve, seniority).model_dump(),
    )
    with terminal.client() as client:
        added = client.add_pool(body)
    terminal.show(added, lambda view: fleet.pool(added, view))


@command(app, "policy")
def policy(
    terminal: Terminal,
    name: Name,
    *,
    rule: RuleName = "late-slots",
    slack: Slack = "5%",
    reserve: Reserve = None,
    seniority: Seniority = None,
) -> None:
    """Change how a pool promises.

    What is promised already stays promised.
    """
    from dure.render import fleet

    limits.name("POOL", name, limits.POOL)
    with terminal.client() as client:
        found = client.set_policy(name, _policy(rule, slack, reserve, seniority))
    terminal.show(found, lambda view: fleet.pool(found, view))


def _policy(rule: str, slack: str, reserve: str | None, seniority: str | None) -> "wire.PoolPolicy":
    from pydantic import ValidationError

    from dure import wire

    part, over_s = (0, 0) if reserve is None else _reserved(reserve)
    try:
        return wire.PoolPolicy.model_validate(
            {
                "rule": rule,
                "slack_ppm": _ppm("--slack", slack),
                "reserve_ppm": part,
                "reserve_over_s": over_s,
                "seniority_s": None if seniority is None else seconds("--seniority", seniority),
            }
        )
    except ValidationError as error:
        found = error.errors()[0]
        option = {"rule": "--rule", "slack_ppm": "--slack", "seniority_s": "--seniority"}.get(
            str(found["loc"][0]), "--reserve"
        )
        raise BadUsage(option, found["msg"]) from None


def _reserved(text: str) -> tuple[int, int]:
    part, colon, over = text.partition(":")
    if not colon:
        raise BadUsage("--reserve", f"{text!r} is no reserve: give a part and a length, for example 2%:1h")
    return _ppm("--reserve", part), seconds("--reserve", over)


def _ppm(option: str, text: str) -> int:
    """A percentage in millionths."""
    number = text.strip().removesuffix("%")
    try:
        return round(float(number) * 10_000)
    except (ValueError, OverflowError):
        raise BadUsage(option, f"{text!r} is no percentage, for example 5%") from None


@command(app, "list")
def every(terminal: Terminal) -> None:
    """List the pools and what is free in them now."""
    from dure import wire
    from dure.render import fleet

    with terminal.client() as client:
        terminal.show_all(client.pools(), wire.Page[wire.Pool], fleet.pools)


@command(app, "show")
def show(terminal: Terminal, name: Name) -> None:
    """Show a pool."""
    from dure.render import fleet

    limits.name("POOL", name, limits.POOL)
    with terminal.client() as client:
        found = client.pool(name)
    terminal.show(found, lambda view: fleet.pool(found, view))


def seconds(option: str, text: str) -> int:
    """A duration on the command line. Raises BadUsage that names the option."""
    from dure import times

    try:
        return times.parse_duration(text)
    except times.TimeError as error:
        raise BadUsage(option, str(error)) from None
