"""Decisions made again: the inputs rebuilt from the history, their digest checked, and the result compared byte for byte."""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from dure import wire
from dure.errors import DecisionDiffers, HistoryIncomplete
from scheduler.actor import Actor
from scheduler.core import elsewhere, record
from scheduler.core.model import Ask, Instant, LeaseId, PoolId, Promise
from scheduler.decisions import digest, visible
from scheduler.store import books, history, pools
from scheduler.store.books import POLICY_VERSION
from scheduler.store.db import Session
from scheduler.store.tables import Decision
from scheduler.store.times import to_wire

DIFFERENCES_SHOWN = 20


def replay(session: Session, decision: str, *, actor: Actor) -> wire.Replayed:
    """Makes the decision again. Raises UnknownDecision, HistoryIncomplete, DecisionDiffers."""
    found, head = visible(session, decision, actor)
    inputs = _inputs(head)
    result = made_again(session, head, inputs)
    if result != head.result:
        raise _differs(head, result, actor)
    _check_elsewhere(session, found, inputs)
    assert head.inputs_digest is not None
    return wire.Replayed(
        decision=head.id,
        kind=head.kind,
        pool=head.pool,
        generation=head.generation,
        now=to_wire(inputs["now"]),
        inputs_digest=head.inputs_digest,
        result_digest=digest(result),
        result_bytes=len(result.encode()),
        looked_at=sum(len(part) for part in record.loads(result).values() if isinstance(part, list)),
        elsewhere=len(found.elsewhere),
    )


def made_again(session: Session, head: Decision, inputs: Mapping[str, Any]) -> str:
    """The result of the decision that keeps these inputs, by the book of its generation. Raises HistoryIncomplete."""
    policy, now = record.basis(dict(inputs))
    if policy.version != POLICY_VERSION or head.kind not in record.AGAIN:
        raise HistoryIncomplete(
            f"decision {head.id} ({head.kind}) was made by version {policy.version} of the rules, and this server decides by "
            f"version {POLICY_VERSION}; replay it with the release that made it",
            numbers={"policy_version": policy.version, "this_version": POLICY_VERSION},
        )
    book = history.book(session, head.pool, head.generation, policy, now)
    assert head.inputs is not None
    rebuilt = record.digest(book, head.kind, head.inputs, now)
    if rebuilt != head.inputs_digest:
        raise HistoryIncomplete(
            f"the history of pool {head.pool} up to generation {head.generation} is not what decision {head.id} was made "
            f"from: its inputs have the digest {head.inputs_digest}, and what was rebuilt has {rebuilt}. Compare the table "
            "pool_change with a backup",
            numbers={"generation": head.generation, "inputs_digest": head.inputs_digest or "", "rebuilt": rebuilt},
        )
    return record.again(head.kind, book, dict(inputs))


def _inputs(head: Decision) -> dict[str, Any]:
    if head.inputs is None:
        raise HistoryIncomplete(
            f"decision {head.id} is older than the keeping of inputs: its code and numbers are all there is of it"
        )
    return record.loads(head.inputs)


def _check_elsewhere(session: Session, found: Decision, inputs: Mapping[str, Any]) -> None:
    """What a refusal said of other pools, made again from their histories."""
    asks = dict(record.asks_of(dict(inputs))) if found.elsewhere else {}
    for said in found.elsewhere:
        option = wire.PoolOption.model_validate(said)
        again = _option(session, option, asks[LeaseId(found.lease or "")], Instant(inputs["now"]))
        if again.digest != option.digest:
            raise HistoryIncomplete(
                f"the history of pool {option.pool} up to generation {option.generation} is not what decision {found.id} "
                "looked at there",
                numbers={"pool": option.pool, "generation": option.generation},
            )
        promised = to_wire(again.verdict.promised) if isinstance(again.verdict, Promise) else None
        if (again.verdict.code, promised) != (option.code, option.promised_start):
            raise DecisionDiffers(f"made again, decision {found.id} says something else of pool {option.pool}")


def _option(session: Session, said: wire.PoolOption, ask: Ask, now: Instant) -> elsewhere.Option:
    policy = history.policy(session, said.pool, said.generation) or books.policy(pools.row(session, said.pool))
    there = history.book(session, said.pool, said.generation, policy, now)
    return elsewhere.option(there, PoolId(said.pool), ask, now, generation=said.generation)


def _differs(head: Decision, result: str, actor: Actor) -> DecisionDiffers:
    assert head.result is not None
    found = list(islice(differences(record.loads(head.result), record.loads(result)), DIFFERENCES_SHOWN))
    where = ", ".join(path for path, _ in found[:3])
    return DecisionDiffers(
        f"made again from the same inputs, decision {head.id} comes out differently ({where}); this server's code does not "
        "decide as the one that made it did, or the stored result was changed",
        errors=[
            wire.FieldError(field=path, message=said if actor.company is None else "differs") for path, said in found
        ],
    )


def differences(stored: object, again: object, path: str = "result") -> Iterator[tuple[str, str]]:
    """Where two JSON values differ, and how, from the top."""
    if isinstance(stored, dict) and isinstance(again, dict):
        for name in sorted({*stored, *again}):
            yield from differences(stored.get(name), again.get(name), f"{path}.{name}")
    elif isinstance(stored, list) and isinstance(again, list) and len(stored) == len(again):
        for place, (one, other) in enumerate(zip(stored, again, strict=True)):
            yield from differences(one, other, f"{path}[{place}]")
    elif stored != again:
        yield path, f"was {json.dumps(stored)[:200]}, comes out as {json.dumps(again)[:200]}"
