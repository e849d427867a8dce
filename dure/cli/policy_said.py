"""What is said of a pool's policy on the command line: its options, and their values by the policy's own names."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from dure import policy_keys
from dure.cli.terminal import BadUsage
from dure.policy_keys import NONE

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
Violations = Annotated[
    str | None,
    typer.Option(
        metavar="observe|end", help="Whether a company's pod on a GPU that no lease explains is told of, or ended too."
    ),
]


def policy(
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


def walk_in(text: str | None) -> dict[str, Any]:
    """What was said of the part that is kept for walk-ins; within how long may be left as it is."""
    if text is None:
        return {}
    if text == NONE:
        return {"walk_in_ppm": 0}
    part, colon, within = text.partition(":")
    said = {"walk_in_ppm": _ppm("--walk-in", part)}
    return said | {"walk_in_within_s": seconds("--walk-in", within)} if colon else said


def shares(contended: str | None, half_life: str | None, entry: str | None) -> dict[str, Any]:
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


def keys(texts: Mapping[str, str | None]) -> dict[str, Any]:
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


def seconds(option: str, text: str) -> int:
    """A duration on the command line. Raises BadUsage that names the option."""
    from dure import times

    try:
        return times.parse_duration(text)
    except times.TimeError as error:
        raise BadUsage(option, str(error)) from None
