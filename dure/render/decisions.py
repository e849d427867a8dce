"""Decisions, refusals and problems in words: code, sentence, numbers, and what would work."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.text import Text

from dure import times, wire
from dure.errors import DureError, Refused
from dure.render.view import View, facts

_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z")
_SECONDS = re.compile(r"_s(?=_|$)")


def numbers(said: Mapping[str, int | str], zone: ZoneInfo | None) -> Iterator[tuple[str, str]]:
    """A decision's numbers as people say them: durations with units, times in their zone."""
    for name, value in said.items():
        label = _SECONDS.sub("", name).replace("_", " ").replace("gpus", "GPUs")
        if isinstance(value, int) and _SECONDS.search(name):
            yield label, times.show_duration(value)
        elif isinstance(value, str) and zone is not None and _INSTANT.fullmatch(value):
            yield label, times.show_instant(datetime.fromisoformat(value), zone)
        else:
            yield label, str(value)


def problem_lines(error: DureError, zone: ZoneInfo | None) -> Iterator[str]:
    """An error for stderr, plain text: what is wrong first, then fields, numbers and where it is kept."""
    yield f"{'refused' if isinstance(error, Refused) else 'error'} ({error.code}): {error.detail}"
    for found in error.errors:
        yield f"  {found.field}: {found.message}"
    said = dict(numbers(error.numbers or (error.decision.numbers if error.decision else {}), zone))
    width = max(map(len, said), default=0)
    for name, value in said.items():
        yield f"  {name:<{width}}  {value}"
    if error.lease is not None:
        yield f"  kept as {error.lease}: dure lease show {error.lease}"
    if error.retry_after_s is not None:
        yield f"  try again in {times.show_duration(error.retry_after_s)}"
    if error.request_id is not None:
        yield f"  request {error.request_id}"


def quote(found: wire.Quote, view: View) -> RenderableType:
    """What an ask would get."""
    decision = found.decision
    head = Text(f"dry run: would be {decision.outcome} ({decision.code}); nothing is stored or held", style="bold")
    rows: list[tuple[str, str | Text]] = []
    if found.promised_start is not None:
        rows.append(("starts", f"{view.full(found.promised_start)}, at the latest"))
    if found.ends_at is not None:
        rows.append(("ends", view.full(found.ends_at)))
    if found.placement:
        rows.append(("where", placement(found.placement)))
    rows.append(("why", decision.detail))
    return Group(head, facts([*rows, *numbers(decision.numbers, view.zone)]))


def placement(shares: list[wire.NodeShare]) -> str:
    """`gpu-01 (8), gpu-02 (8)`: how many GPUs of which node."""
    return ", ".join(f"{share.node} ({share.gpus})" for share in shares)
