"""dure whatif: what would be different with another quota, fleet or policy."""

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dure.cli import limits
from dure.cli.command import command
from dure.cli.policy_said import seconds
from dure.cli.terminal import BadUsage, Terminal
from dure.policy_keys import NONE

if TYPE_CHECKING:
    from dure import wire
    from dure.client import Client

_PART = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,4})?)(%?)", re.ASCII)

POLICY = "rule=earliest-slot, slack=5%, reserve=20%:1h, walk-in=20%:1h, seniority=4h; several with commas between them"


def register(app: typer.Typer) -> None:
    """Adds the command to `dure` itself."""
    command(app, "whatif")(whatif)


def whatif(
    terminal: Terminal,
    *,
    quota: Annotated[
        list[str] | None,
        typer.Option("--quota", metavar="COMPANY=GPUS", help="With another quota, for example acme=32."),
    ] = None,
    add_node: Annotated[
        list[str] | None,
        typer.Option(
            "--add-node", metavar="N[:GPUS]", help="With N nodes more, each of so many GPUs; else of the usual size."
        ),
    ] = None,
    remove_node: Annotated[
        list[str] | None, typer.Option("--remove-node", metavar="NODE", help="Without this node.")
    ] = None,
    policy: Annotated[str | None, typer.Option(metavar="RULES", help=f"With other rules: {POLICY}.")] = None,
    pool: Annotated[
        str | None, typer.Option(metavar="POOL", help="In this pool; else in the only one there is.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="In the past: from then on. Else now.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="In the past: up to then; else up to now.")] = None,
) -> None:
    """Say what would be different, and change nothing.

    For admins. Now: every lease that waits, as it is and as it would be. In the past: the decisions are made again at their
    instants, with the releases, ends and losses that really happened.
    """
    from dure import wire
    from dure.render import whatif as shown

    pool = limits.maybe("--pool", pool, limits.POOL)
    quotas = [_quota(text) for text in quota or ()]
    rules = None if policy is None else _policy(policy)
    removed = [limits.name("--remove-node", node, limits.NODE) for node in remove_node or ()]
    begin, end = terminal.instant("--since", since), terminal.instant("--until", until)
    _check(quotas, add_node, removed, rules, begin, end)
    with terminal.client() as client:
        name = pool or _only(client)
        added = [_nodes(client, name, text) for text in add_node or ()]
        body = wire.WhatIf(
            pool=name, quotas=quotas, add_nodes=added, remove_nodes=removed, policy=rules, since=begin, until=end
        )
        found = client.what_if(body)
    terminal.show(found, lambda view: shown.answer(found, view))


def _check(quotas: Any, added: Any, removed: Any, rules: Any, since: Any, until: Any) -> None:
    if not (quotas or added or removed or rules) and since is None:
        raise BadUsage(
            "--quota", "say what would be different, for example --quota acme=32, --add-node 1 or --policy slack=0%"
        )
    if until is not None and since is None:
        raise BadUsage("--until", "it needs --since too, for example --since yesterday")
    if since is not None and until is not None and until <= since:
        raise BadUsage("--until", "it comes after --since")


def _only(client: "Client") -> str:
    found = [pool.name for pool in client.pools()]
    if len(found) == 1:
        return found[0]
    said = f"there are {', '.join(found)}; say which" if found else "there is no pool yet"
    raise BadUsage("--pool", said)


def _quota(text: str) -> "wire.QuotaIf":
    from dure import wire

    company, _, gpus = text.partition("=")
    limits.name("--quota", company, limits.COMPANY)
    return wire.QuotaIf(company=company, gpus=_count("--quota", gpus, text, "acme=32", least=0, most=100_000))


def _nodes(client: "Client", pool: str, text: str) -> "wire.NodesIf":
    from dure import wire

    count, colon, gpus = text.partition(":")
    number = _count("--add-node", count, text, "2 or 2:8", least=1, most=1000)
    if colon:
        return wire.NodesIf(count=number, gpus=_count("--add-node", gpus, text, "2:8", least=1, most=100_000))
    known = client.pool(pool)
    total = sum(known.gpus.values())
    if not known.nodes or not total:
        raise BadUsage(
            "--add-node", f"pool {pool} has no nodes whose size could be taken; say it, for example {count}:8"
        )
    return wire.NodesIf(count=number, gpus=max(1, round(total / known.nodes)))


def _policy(text: str) -> "wire.PolicyIf":
    from dure import wire

    said: dict[str, Any] = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        match name:
            case "rule":
                said["rule"] = value
            case "slack":
                said["slack_ppm"] = _ppm(part, value)
            case "reserve":
                said |= _reserve(part, value)
            case "reserve-over":
                said["reserve_over_s"] = seconds("--policy", value)
            case "walk-in":
                said |= _walk_in(part, value)
            case "seniority":
                said["seniority_s"] = None if value == NONE else seconds("--policy", value)
            case _:
                raise BadUsage("--policy", f"{part.strip()!r} is no rule; write {POLICY}")
    return wire.PolicyIf.model_validate(said)


def _reserve(part: str, value: str) -> dict[str, int]:
    """As `dure pool policy` takes it; the length may be said apart, by `reserve-over`."""
    if value == NONE:
        return {"reserve_ppm": 0, "reserve_over_s": 0}
    share, colon, over = value.partition(":")
    said = {"reserve_ppm": _ppm(part, share)}
    return said | {"reserve_over_s": seconds("--policy", over)} if colon else said


def _walk_in(part: str, value: str) -> dict[str, int]:
    """As `dure pool policy` takes it."""
    if value == NONE:
        return {"walk_in_ppm": 0}
    share, colon, within = value.partition(":")
    said = {"walk_in_ppm": _ppm(part, share)}
    return said | {"walk_in_within_s": seconds("--policy", within)} if colon else said


def _ppm(part: str, value: str) -> int:
    """A part of the whole, in millionths: `5%` or `0.05`."""
    found = _PART.fullmatch(value)
    if found is None:
        raise BadUsage("--policy", f"{part.strip()!r} is no part of a whole; write 5% or 0.05")
    return round(float(found[1]) * (10_000 if found[2] else 1_000_000))


def _count(option: str, digits: str, text: str, example: str, *, least: int, most: int) -> int:
    if not digits.isascii() or not digits.isdecimal() or len(digits) > 6 or not least <= int(digits) <= most:
        raise BadUsage(option, f"{text!r} is not right: a whole number from {least} to {most}, for example {example}")
    return int(digits)
