"""dure pool: interchangeable GPUs."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from dure import policy_keys
from dure.cli import limits
from dure.cli.command import command
from dure.cli.terminal import BadUsage, Terminal

app = typer.Typer(help="Pools: interchangeable GPUs of one product.", no_args_is_help=True)

NONE = "none"
"""The word that takes a reserve, seniority or limit away."""

RULES = (
    "How asks are promised. late-slots: their earliest start and the slack, and started as soon as they fit; "
    "earliest-slot: their earliest start, for good; only-earlier: their earliest start, and moved earlier in order of "
    "arrival when room appears."
)

RuleName = Annotated[str | None, typer.Option(metavar="RULE", help=RULES)]
Slack = Annotated[
    str | None,
    typer.Option(
        metavar="PERCENT",
        help="By how much of its length an ask that waits may be promised later than its earliest start: 5%.",
    ),
]
Reserve = Annotated[
    str | None,
    typer.Option(
        metavar="PERCENT:DURATION", help="Keep that part of the pool free of leases longer than that: 2%:1h, or none."
    ),
]
WalkIn = Annotated[
    str | None,
    typer.Option(
        metavar="PERCENT[:DURATION]",
        help="Keep that part of the pool for starts within that: 20%, which is within 1h, or 20%:2h, or none.",
    ),
]
Seniority = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION",
        help="What has waited longer goes first when room appears, and keeps its earliest slot: 6h, or none.",
    ),
]
RenewsBefore = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION",
        help="So long before extending closes a lease renews itself, or a quarter of its length before: 30m.",
    ),
]
Contended = Annotated[
    str | None,
    typer.Option(
        metavar="PERCENT",
        help="Shares count where more than that of the pool is booked: 90%, always, or none.",
    ),
]
HalfLife = Annotated[
    str | None, typer.Option(metavar="DURATION", help="What was used counts half after that, for shares: 7d.")
]
Entry = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="So much of a lease counts as it is granted, for shares: 1h."),
]
Spot = Annotated[
    str | None, typer.Option(metavar="DURATION", help="GPUs that are idle for so long are lent as spot: 10m, or none.")
]
NoShowAfter = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="A lease on which nothing runs for so long is given back: 30m, or none."),
]
Keeps = Annotated[
    str | None, typer.Option(metavar="N", help="How often a company may keep a lease that is to be given back: 2.")
]
IdleAfter = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="A lease that is idle for so long is given back: 2h, or none."),
]
IdleBelow = Annotated[
    str | None, typer.Option(metavar="PERCENT", help="Idle is what uses less of its GPUs than that: 5%.")
]
InferenceIdleAfter = Annotated[
    str | None, typer.Option(metavar="DURATION", help="The same of leases for inference: 12h, or none.")
]
InferenceIdleBelow = Annotated[str | None, typer.Option(metavar="PERCENT", help="The same of these: 1%.")]
Name = Annotated[str, typer.Argument(metavar="POOL", help="Its name, for example h100-80gb.")]


@command(app, "add", changes=True)
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
    renews_before: RenewsBefore = None,
    empty_memory_mib: Annotated[
        int, typer.Option(metavar="MIB", help="A GPU with no process and at most this in use is empty.")
    ] = 1024,
    rule: RuleName = None,
    slack: Slack = None,
    reserve: Reserve = None,
    walk_in: WalkIn = None,
    seniority: Seniority = None,
    contended: Contended = None,
    half_life: HalfLife = None,
    entry: Entry = None,
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
        **_policy(rule, slack, reserve, seniority, renews_before),
        **_walk_in(walk_in),
        **_shares(contended, half_life, entry),
    )
    with terminal.client() as client:
        added = client.add_pool(body)
    terminal.show(added, lambda view: fleet.pool(added, view))


@command(app, "policy", changes=True)
def policy(  # noqa: PLR0913 (one parameter an option)
    terminal: Terminal,
    name: Name,
    *,
    rule: RuleName = None,
    slack: Slack = None,
    reserve: Reserve = None,
    walk_in: WalkIn = None,
    seniority: Seniority = None,
    extension_closes: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Until so long before its end a lease is extended.")
    ] = None,
    renews_before: RenewsBefore = None,
    contended: Contended = None,
    half_life: HalfLife = None,
    entry: Entry = None,
    spot: Spot = None,
    no_show_after: NoShowAfter = None,
    keeps: Keeps = None,
    idle_after: IdleAfter = None,
    idle_below: IdleBelow = None,
    inference_idle_after: InferenceIdleAfter = None,
    inference_idle_below: InferenceIdleBelow = None,
) -> None:
    """Change how a pool promises, lends and takes back.

    What is not named stays as it is, and what is promised already stays promised.
    """
    from dure import wire
    from dure.render import fleet

    limits.name("POOL", name, limits.POOL)
    said = _policy(rule, slack, reserve, seniority, renews_before) | _walk_in(walk_in)
    said |= _shares(contended, half_life, entry)
    said |= _keys(
        {
            "spot": spot,
            "no_show_after": no_show_after,
            "keeps": keeps,
            "idle_after": idle_after,
            "idle_below": idle_below,
            "inference_idle_after": inference_idle_after,
            "inference_idle_below": inference_idle_below,
        }
    )
    if extension_closes is not None:
        said["extension_closes_s"] = seconds("--extension-closes", extension_closes)
    change = wire.PolicyChange.model_validate(said)
    with terminal.client() as client:
        found = client.change_policy(name, change)
    terminal.show(found, lambda view: fleet.pool(found, view))


def _policy(
    rule: str | None, slack: str | None, reserve: str | None, seniority: str | None, renews_before: str | None
) -> dict[str, Any]:
    """What was said of a policy, by its own names."""
    said: dict[str, Any] = {}
    if rule is not None:
        said["rule"] = rule
    if slack is not None:
        said["slack_ppm"] = _ppm("--slack", slack)
    if reserve is not None:
        said["reserve_ppm"], said["reserve_over_s"] = _reserved(reserve)
    if seniority is not None:
        said["seniority_s"] = None if seniority == NONE else seconds("--seniority", seniority)
    if renews_before is not None:
        said["renews_before_s"] = seconds("--renews-before", renews_before)
    return said


def _walk_in(text: str | None) -> dict[str, Any]:
    """What was said of the part that is kept for walk-ins; within how long may be left as it is."""
    if text is None:
        return {}
    if text == NONE:
        return {"walk_in_ppm": 0}
    part, colon, within = text.partition(":")
    said = {"walk_in_ppm": _ppm("--walk-in", part)}
    return said | {"walk_in_within_s": seconds("--walk-in", within)} if colon else said


def _shares(contended: str | None, half_life: str | None, entry: str | None) -> dict[str, Any]:
    """What was said of when shares count, and how."""
    said: dict[str, Any] = {}
    if contended in (NONE, "always"):
        said["contended"] = contended
    elif contended is not None:
        said["contended"], said["contended_ppm"] = "booked", _ppm("--contended", contended)
    if half_life is not None:
        said["half_life_s"] = seconds("--half-life", half_life)
    if entry is not None:
        said["entry_s"] = seconds("--entry", entry)
    return said


def _keys(texts: Mapping[str, str | None]) -> dict[str, Any]:
    """What was said of keys of the policy file, written as there."""
    said: dict[str, Any] = {}
    for key in policy_keys.POOL:
        text = texts.get(key.name)
        if text is None:
            continue
        try:
            said |= zip(key.fields, key.read(text), strict=True)
        except ValueError:
            raise BadUsage(key.option, f"{text[:40]!r} is not right; {key.takes}") from None
    return said


def _reserved(text: str) -> tuple[int, int]:
    if text == NONE:
        return 0, 0
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
