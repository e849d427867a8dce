"""Decisions, refusals and problems in words: code, sentence, numbers, and what would work."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.text import Text

from dure import quota_words, times, wire
from dure.errors import DureError, Refused
from dure.render.view import View, facts

_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z")
_SECONDS = re.compile(r"_s(?=_|$)")
_AMOUNT = "_gpu_seconds"


_ORDER = (
    *("asked_gpus", "held_gpus", "limit_gpus", "free_gpus_now", "pool_gpus", "wait_s", "earliest_wait_s", "waits_for"),
    *("out_of_service_gpus", "out_of_service"),
    *("nodes", "largest_gpus_per_node", "largest_gang_nodes", "largest_gpus"),
    *("earliest_start", "largest_gpus_now", "longest_s_now", "instead_gpus_per_node"),
)
"""A decision's numbers are shown in this order, however they were kept; others come after them."""

_OPTIONS = {
    "duration_s": ("--for", "--for 2h30m"),
    "shortest_s": ("--shortest", ""),
    "longest_s": ("--longest", ""),
    "fewest": ("--fewest", ""),
    "start": ("--start", '--start "tomorrow 09:00"'),
    "start_by": ("--start-by", '--start-by "tomorrow 18:00"'),
    "company": ("--company", "--company acme"),
    "name": ("--name", "--name llm-3"),
    "limit": ("--limit", "--limit 50"),
    "state": ("--state", "--state active"),
    "action": ("--action", "--action quota.set"),
    "until": ("--until", '--until "tomorrow 18:00"'),
    "since": ("--since", "--since today"),
    "gpus": ("--gpus", "--gpus 16"),
    "gap_s": ("--gap", "--gap 30s"),
    "grace_s": ("--grace", "--grace 30s"),
    "extension_closes_s": ("--extension-closes", "--extension-closes 10m"),
    "renews_before_s": ("--renews-before", "--renews-before 30m"),
    "by_s": ("--by", "--by 2h"),
    "nodes": ("--nodes", "--nodes 2"),
    "empty_memory_bytes": ("--empty-memory-mib", "--empty-memory-mib 1024"),
    "product": ("--product", '--product "NVIDIA H100 80GB HBM3"'),
    "expires_at": ("--expires", "--expires +30d"),
}
"""What a person types where the API has that field, and an example."""

_API_EXAMPLE = re.compile(r",? for example .*$")
_WORDS = re.compile(r"\b(start_by|start|duration_s)(?= [0-9])")
_NAMED = re.compile(r"`(partly|longest)`")


def in_options(sentence: str) -> str:
    """A sentence of the API that names what to send, in the words of the command line."""
    return _NAMED.sub(r"--\1", sentence)


def numbers(said: Mapping[str, int | str], zone: ZoneInfo | None) -> Iterator[tuple[str, str]]:
    """A decision's numbers as people say them: durations with units, times in their zone, always in the same order."""
    known = {name: said[name] for name in _ORDER if name in said}
    # What a promise holds is what was asked for.
    said = known | {name: value for name, value in said.items() if name != "gpus" or value != said.get("asked_gpus")}
    for name, value in said.items():
        label = _SECONDS.sub("", name.removesuffix(_AMOUNT)).replace("_", " ").replace("gpus", "GPUs")
        if isinstance(value, int) and _SECONDS.search(name):
            yield label, times.show_duration(value)
        elif isinstance(value, int) and name.endswith(_AMOUNT):
            yield label, quota_words.say_gpu_seconds(value)
        elif isinstance(value, str) and zone is not None and _INSTANT.fullmatch(value):
            yield label, times.show_instant(datetime.fromisoformat(value), zone)
        else:
            yield label, str(value)


def problem_lines(error: DureError, zone: ZoneInfo | None) -> Iterator[str]:
    """An error for stderr, plain text: what is wrong first, then fields, numbers and where it is kept."""
    yield f"{'refused' if isinstance(error, Refused) else 'error'} ({error.code}): {_sentence(error)}"
    for found in error.errors:
        if not _told(found, error.detail):
            yield f"  {_typed(found)}"
    said = dict(numbers(error.numbers or (error.decision.numbers if error.decision else {}), zone))
    width = max(map(len, said), default=0)
    for name, value in said.items():
        yield f"  {name:<{width}}  {value}"
    for option in error.decision.elsewhere if error.decision else ():
        start = option.promised_start
        said = (
            "" if start is None else f" from {start.isoformat() if zone is None else times.show_instant(start, zone)}"
        )
        yield f"  in {option.pool}: {option.code}{said}"
    if error.lease is not None:
        yield f"  kept as {error.lease}: dure lease show {error.lease}"
    elif error.decision is not None and error.decision.id is not None:
        yield f"  kept as {error.decision.id}: dure decision show {error.decision.id}"
    if error.retry_after_s is not None:
        yield f"  try again in {times.show_duration(error.retry_after_s)}"
    if error.request_id is not None:
        yield f"  request {error.request_id}"


def _sentence(error: DureError) -> str:
    """The detail, or, where it but repeats the fields, what is wrong with them in the words of the command line."""
    told = [found for found in error.errors if _told(found, error.detail)]
    if told and all(found.field in _OPTIONS for found in told) and error.detail.startswith(f"{told[0].field}: "):
        return "; ".join(_typed(found) for found in told)
    return in_options(_WORDS.sub(lambda said: _OPTIONS[said[1]][0], error.detail) if told else error.detail)


def _told(found: wire.FieldError, detail: str) -> bool:
    return _API_EXAMPLE.sub("", found.message) in detail


def _typed(found: wire.FieldError) -> str:
    if found.field not in _OPTIONS:
        return f"{found.field}: {found.message}"
    option, example = _OPTIONS[found.field]
    said = _API_EXAMPLE.sub("", found.message)
    example = example if said != found.message else ""
    said = said.replace("duration_s", _OPTIONS["duration_s"][0])
    return f"{option}: {said}{f', for example {example}' if example else ''}"


def quote(found: wire.Quote, view: View) -> RenderableType:
    """What an ask would get."""
    decision = found.decision
    head = Text(f"dry run: would be {decision.outcome} ({decision.code}); nothing is stored or held", style="bold")
    rows: list[tuple[str, str | Text]] = []
    if found.shape is not None:
        rows.append(("what", str(found.shape)))
    if found.promised_start is not None:
        rows += _promise(found, found.promised_start, view)
    if found.placement:
        rows.append(("where", placement(found.placement)))
    rows.append(("why", decision.detail))
    return Group(head, facts([*rows, *numbers(decision.numbers, view.zone), *options(decision.elsewhere, view)]))


def _promise(found: wire.Quote, promised: datetime, view: View) -> Iterator[tuple[str, str]]:
    """The promise and what it is made of, in this order: they add up."""
    numbers = found.decision.numbers
    slack_s = int(numbers.get("wait_s", 0)) - int(numbers.get("earliest_wait_s", numbers.get("wait_s", 0)))
    if slack_s > 0:
        yield "earliest", view.full(promised - timedelta(seconds=slack_s))
        yield "slack", f"{times.show_duration(slack_s)}, so much later it may be promised"
    yield "promised", f"{view.full(promised)}; never later"
    planned = found.starts_at is not None and (slack_s > 0 or found.starts_at != promised)
    if planned and found.starts_at is not None:
        yield "planned", f"{view.full(found.starts_at)}; it may be moved earlier"
    if found.estimated_start is not None and found.estimated_start not in (promised, found.starts_at):
        yield "expected", f"{view.full(found.estimated_start)}; an estimate, which binds nobody"
    if found.ends_at is not None and found.starts_at is not None:
        length = times.show_duration(int((found.ends_at - found.starts_at).total_seconds()))
        yield "ends", f"{view.full(found.ends_at)}, {length} from the {'planned' if planned else 'promised'} start"


def options(found: Iterable[wire.PoolOption], view: View) -> Iterator[tuple[str, str]]:
    """What a refused ask would get in other pools."""
    for one in found:
        start = "" if one.promised_start is None else f": {view.full(one.promised_start)}, at the latest"
        yield f"in {one.pool}", f"{one.code}{start}"


def placement(shares: list[wire.NodeShare]) -> str:
    """`gpu-01 (8), gpu-02 (8)`: how many GPUs of which node."""
    return ", ".join(f"{share.node} ({share.gpus})" for share in shares)
