"""What is said of a quota on the command line: its options, and their values by the quota's own names."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dure.cli.terminal import BadUsage, Terminal
from dure.policy_keys import NONE

if TYPE_CHECKING:
    from dure import wire

Gpus = Annotated[
    int | None, typer.Option(metavar="N", help="GPUs at once, at every instant; 0 closes the pool to the company.")
]
BudgetOption = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="HOURS/PERIOD",
        help="GPU-hours for each week or month, or for one term: 2000h/month, or none.",
    ),
]
Longest = Annotated[
    str | None, typer.Option(metavar="DURATION", help="The longest lease, extended or not: 72h, or none.")
]
Furthest = Annotated[
    str | None, typer.Option(metavar="DURATION", help="How far ahead a start may be booked: 30d, or none.")
]
Ahead = Annotated[
    str | None,
    typer.Option(metavar="HOURS", help="GPU-hours at most that are booked and have not started: 500h, or none."),
]
OpenAsks = Annotated[
    str | None, typer.Option(metavar="N", help="Leases at most that are queued or have not started: 20, or none.")
]
CarryOver = Annotated[
    bool | None, typer.Option("--carry-over/--no-carry-over", help="What a period leaves is the next one's, too.")
]
Begins = Annotated[str | None, typer.Option(metavar="TIME", help="When a term begins.")]
Ends = Annotated[str | None, typer.Option(metavar="TIME", help="When a term ends.")]


def limits(
    gpus: int | None, longest: str | None, furthest: str | None, ahead: str | None, open_asks: str | None
) -> dict[str, Any]:
    """What was said of a quota, by its own names, but for its budget."""
    from dure import quota_words, times

    said: dict[str, Any] = {} if gpus is None else {"gpus": gpus}
    readings: tuple[tuple[str, str, str | None, Callable[[str], int]], ...] = (
        ("longest_s", "--longest", longest, times.parse_duration),
        ("furthest_s", "--furthest", furthest, times.parse_duration),
        ("ahead_gpu_seconds", "--ahead", ahead, quota_words.gpu_seconds),
        ("open_asks", "--open-asks", open_asks, _number),
    )
    for field, option, text, read in readings:
        if text is not None:
            said[field] = None if text == NONE else _parsed(option, text, read)
    return said


def budget_said(
    terminal: Terminal, text: str | None, carry_over: bool | None, begins: str | None, ends: str | None
) -> dict[str, Any]:
    """What was said of a budget; `period` None takes it away."""
    from dure import quota_words

    said: dict[str, Any] = {}
    if text == NONE:
        if carry_over is not None or begins or ends:
            raise BadUsage("--budget", "none takes the budget away; leave --carry-over, --begins and --ends out")
        return {"period": None}
    if text is not None:
        said["gpu_seconds"], said["period"] = _parsed("--budget", text, quota_words.budget)
    if carry_over is not None:
        said["carries_over"] = carry_over
    for field, option, when in (("begins_at", "--begins", begins), ("ends_at", "--ends", ends)):
        if when is not None:
            said[field] = terminal.instant(option, when)
    return said


def budget_over(held: "wire.Budget | None", said: dict[str, Any]) -> dict[str, Any] | None:
    """The budget with what was said; where the kind of its periods becomes another, nothing of the old one is left."""
    if "period" in said and said["period"] is None:
        return None
    if held is None and "gpu_seconds" not in said:
        raise BadUsage("--budget", "there is no budget yet; say how much it is, for example --budget 2000h/month")
    from pydantic import ValidationError

    from dure import mistakes, wire

    same = held is not None and said.get("period", held.period) == held.period
    found = {**(held.model_dump() if held is not None and same else {}), **said}
    try:
        return wire.Budget.model_validate(found).model_dump()
    except ValidationError as error:
        message = mistakes.sentence(error.errors(include_url=False)[0])
        for field, option in (("begins_at", "--begins"), ("ends_at", "--ends")):
            message = message.replace(field, option)
        raise BadUsage("--budget", message) from None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise ValueError(f"{text[:40]!r} is no whole number; for example 20, or none")
    return int(text)


def _parsed(option: str, text: str, read: Callable[[str], Any]) -> Any:
    try:
        return read(text)
    except ValueError as error:
        raise BadUsage(option, str(error)) from None
