"""What `python -m bench replay` can be told, and the policy that comes of it."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench.replay.drive import FOR_EVER_S
from dure import times
from scheduler.core.model import PPM, Policy
from scheduler.core.rules import LATE_SLOTS, RULES

SLACK = {"exact": 0.05, "asked": 0.5}
"""What an ask may be promised later than its earliest start, as a part of its box, where nothing else is said."""

MOST_SLACK = 1000


def read(words: Sequence[str] | None, description: str | None) -> argparse.Namespace:
    """The options; exits with 2 and a sentence where one is wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench replay", description=description)
    parser.add_argument("log", type=Path, help="a file in the Standard Workload Format, .gz too")
    parser.add_argument(
        "--boxes", choices=sorted(SLACK), required=True, help="exact: the true run time; asked: the requested time"
    )
    parser.add_argument("--rule", choices=sorted(RULES), default=LATE_SLOTS, help="(default: %(default)s)")
    parser.add_argument(
        "--slack",
        type=_slack,
        metavar="C",
        help="part of its box by which an ask may be promised later (default: 0.05 exact, 0.5 asked)",
    )
    parser.add_argument(
        "--reserve",
        type=_reserve,
        metavar="RX:RL",
        help="close the part RX of the pool to boxes over RL, for example 0.02:1h",
    )
    parser.add_argument("--seniority", type=_seconds, metavar="S", help="who waited longer goes first, for example 2d")
    parser.add_argument("--schedule", type=_writable, metavar="OUT.csv", help="write the schedule there, a row a job")
    parser.add_argument("--classes", action="store_true", help="wait and slowdown by width and length, beside EASY's")
    parser.add_argument("--json", action="store_true", help="the figures as JSON")
    wanted = parser.parse_args(words)
    wanted.slack, wanted.notes = slack(wanted.rule, wanted.slack, SLACK[wanted.boxes])
    return wanted


def slack(rule: str, said: float | None, usual: float) -> tuple[float, tuple[str, ...]]:
    """The slack that an ask really gets, `usual` where nothing is said; and what is said that is not used, for people."""
    if rule == LATE_SLOTS:
        return usual if said is None else said, ()
    if not said:
        return 0.0, ()
    return 0.0, (f"--slack {said:g} is not used: by {rule} every promise is the earliest start",)


def policy(wanted: argparse.Namespace) -> Policy:
    """No gap and no horizon: the logs know neither."""
    part, over_s = wanted.reserve or (0.0, 0)
    return Policy(
        version="replay",
        horizon_s=FOR_EVER_S,
        gap_s=0,
        rule=wanted.rule,
        slack_ppm=round(wanted.slack * PPM),
        reserve_ppm=round(part * PPM),
        reserve_over_s=over_s,
        seniority_s=wanted.seniority,
    )


def said(wanted: argparse.Namespace) -> dict[str, str | int | float]:
    """The options that make the figures what they are."""
    found: dict[str, str | int | float] = {
        "log": wanted.log.name,
        "boxes": wanted.boxes,
        "rule": wanted.rule,
        "slack": wanted.slack,
    }
    if wanted.reserve is not None:
        found["reserve"] = f"{wanted.reserve[0]:g}:{times.show_duration(wanted.reserve[1])}"
    if wanted.seniority is not None:
        found["seniority_s"] = wanted.seniority
    return found


def _slack(text: str) -> float:
    found = _number(text)
    if found is None or not 0 <= found <= MOST_SLACK:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no part of a box: give a number from 0 to {MOST_SLACK}, for example 0.05"
        )
    return found


def _reserve(text: str) -> tuple[float, int]:
    part, colon, over = text.partition(":")
    found = _number(part)
    if not colon or found is None or not 0 <= found < 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no reserve: give a part of the pool under 1 and a length, for example 0.02:1h"
        )
    return found, _seconds(over)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _seconds(text: str) -> int:
    """`3600` is seconds too: that is what logs are written in."""
    try:
        return times.parse_duration(f"{text}s" if text.isdecimal() else text)
    except times.TimeError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _writable(text: str) -> Path:
    path = Path(text)
    try:
        path.open("a").close()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text} cannot be written: {error.strerror}") from None
    return path
