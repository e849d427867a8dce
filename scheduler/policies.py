"""How pools promise: a policy is put whole or a part of it changed, and either is the next version in one history.

Works in the caller's transaction: nobody else changes the policy or adds a pool meanwhile, and the pools that promise
otherwise from now on are planned again under their locks. What is promised stays promised.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dure import wire
from dure.errors import InvalidRequest, PolicyMoved, PolicyRefused
from dure.wire.policies import differences
from dure.wire.policy import contradictions
from scheduler.actor import Actor
from scheduler.core import gaps, told, words
from scheduler.core.book import Book
from scheduler.core.model import Instant
from scheduler.core.replan import Plan, replan
from scheduler.service import Service
from scheduler.store import audit, books, due, enforced, generation, policies, pools, tables
from scheduler.store.db import Session
from scheduler.touched import touched

SUBJECT = "policy"
"""What the audit log calls it."""

SHOWN = 10
"""Leases in the way that a sentence names; there may be thousands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A policy that is to be instead of the live one, and where they differ."""

    live: wire.Policy
    wanted: wire.PolicyPut
    changes: Sequence[wire.PolicyDifference]

    @property
    def pools(self) -> list[str]:
        """Those that promise by another policy then, in order; what holds for the programme holds for all."""
        if self.live.programme != self.wanted.programme:
            return sorted(self.wanted.pools)
        return sorted(name for name, found in self.wanted.pools.items() if found != self.live.pools[name])


def put(service: Service, session: Session, body: wire.PolicyPut, *, actor: Actor, now: float) -> wire.PolicyApplied:
    """Makes it the live policy. Where the live one says the same already, nothing is done, whatever its version.

    Raises PolicyMoved, InvalidRequest, UnknownPool, PolicyRefused; then nothing of it holds.
    """
    change = _change(policies.alone(session), body)
    if not change.changes:
        return _applied(change, {}, already=True)
    plans = _apply(service, session, change, actor=actor, now=now)
    said = {"before": _audited(change.changes, "before"), "after": _audited(change.changes, "after")}
    said["before"]["version"], said["after"]["version"] = change.live.version, change.live.version + 1
    audit.record(session, actor=actor, action=wire.AuditAction.POLICY_APPLY, subject=SUBJECT, at=now, **said)
    session.flush()
    return _applied(change, plans)


def preview(service: Service, session: Session, body: wire.PolicyPut, *, now: float) -> wire.PolicyApplied:
    """What `put` would do, on what a snapshot shows; nothing is changed. Raises what it raises."""
    change = _change(policies.live(session), body)
    plans: dict[str, Plan] = {}
    for pool in change.pools:
        row = _with(tables.Pool(**pools.row(session, pool).model_dump()), change)
        at = Instant(math.ceil(now))
        _, before = service.books.seen(session, pool, at)
        book = books.loaded(session, row, at)
        _check(session, change, row, before, book, at)
        plans[pool] = replan(book, due.asks(session, pool), at)
    return _applied(change, plans, already=not change.changes)


def change_policy(
    service: Service, session: Session, pool: str, body: wire.PolicyChange, *, actor: Actor, now: float
) -> wire.Pool:
    """Changes what is said of how the pool promises, in a version of its own. Raises UnknownPool, InvalidRequest."""
    live = policies.alone(session)
    if pool not in live.pools:
        raise generation.unknown(pool)
    said = body.said()
    before = {field: getattr(live.pools[pool], field) for field in said}
    wanted = wire.PolicyPut(
        version=live.version,
        programme=live.programme,
        pools={**live.pools, pool: _changed(live.pools[pool], said)},
    )
    change = _change(live, wanted)
    if change.changes:
        _apply(service, session, change, actor=actor, now=now)
        audit.record(
            session, actor=actor, action=wire.AuditAction.POOL_POLICY, subject=pool, at=now, before=before, after=said
        )
        session.flush()
    return pools.get(session, pool, now=now)


def _changed(found: wire.PoolPolicy, said: Mapping[str, Any]) -> wire.PoolPolicy:
    values = {**found.model_dump(), **said}
    for fields, why in contradictions(values):
        field = next((field for field in fields if field in said), fields[0])
        raise InvalidRequest.about(field, why)
    return wire.PoolPolicy.model_validate(values)


def _change(live: wire.Policy, wanted: wire.PolicyPut) -> Change:
    """Raises PolicyMoved, InvalidRequest, UnknownPool."""
    for name in sorted(wanted.pools.keys() - live.pools.keys()):
        raise generation.unknown(name)
    if missing := sorted(live.pools.keys() - wanted.pools.keys()):
        raise InvalidRequest.about("pools", f"{', '.join(missing)} is missing; a policy is put whole, with every pool")
    changes = differences(live, wanted)
    if changes and wanted.version != live.version:
        who = f"version {live.version}, by {live.actor} at {words.time(int(live.at.timestamp()))}"
        raise PolicyMoved(
            f"this was made from version {wanted.version} of the policy, and {who}, is live; `dure policy diff --from "
            f"{wanted.version}` shows what changed: take it over, and say version {live.version}",
            numbers={"version": wanted.version, "live": live.version},
        )
    return Change(live=live, wanted=wanted, changes=changes)


def _apply(service: Service, session: Session, change: Change, *, actor: Actor, now: float) -> dict[str, Plan]:
    """Writes the version, and gives it to the pools that promise otherwise by it."""
    generation.lock_all(session, change.pools)
    number = policies.write(session, change.wanted, change.changes, actor=actor, now=now)
    plans: dict[str, Plan] = {}
    for pool in change.pools:
        at = Instant(math.ceil(now))
        _, before = service.books.locked(session, pool, at)
        row = pools.row(session, pool)
        _with(row, change).policy_number = number
        session.flush()
        _check(session, change, row, before, books.loaded(session, row, at), at)
        plans[pool] = service.replan(session, pool, now=now, items=[books.policy(row)])
    return plans


def _with(row: tables.Pool, change: Change) -> tables.Pool:
    """The pool's row with the policy that it is to have."""
    for field, value in change.wanted.pools[row.name].model_dump().items():
        setattr(row, field, value)
    row.policy_number = change.live.version + 1
    return row


def _check(session: Session, change: Change, row: tables.Pool, before: Book, after: Book, now: Instant) -> None:
    """Raises PolicyRefused."""
    _check_gap(row.name, before, after, now)
    if row.cluster is not None:
        _check_told(session, change, row.name, before, now)


def _check_told(session: Session, change: Change, pool: str, before: Book, now: Instant) -> None:
    """Leases of an enforced pool keep what its cluster was told of their end. Raises PolicyRefused."""
    leases, old, new = before.leases.values(), change.live.pools[pool], change.wanted.pools[pool]
    found = told.ended(leases, old.grace_s, new.grace_s, now)
    if found is not None:
        said = f"a grace of {new.grace_s} s would end the pods of leases at once that have less than that left"
        raise _told_otherwise(pool, said, found)
    never = enforced.never_extended(session, pool)
    found = told.reopened(leases, old.extension_closes_s, new.extension_closes_s, now, never)
    if found is not None:
        said = (
            f"leases could be extended again until {new.extension_closes_s} s before their end, while their pods have their "
            f"deadline already, which Kubernetes lets nobody put off"
        )
        raise _told_otherwise(pool, said, found)


def _told_otherwise(pool: str, why: str, found: told.Told) -> PolicyRefused:
    count = f"{len(found.leases)} lease" + ("" if len(found.leases) == 1 else "s")
    return PolicyRefused(
        f"{why}: {count} of pool {pool} ({_named(found.leases)}); as things are, it can be so from {words.time(found.until)} on",
        numbers={"pool": pool, "leases": len(found.leases), "until": words.time(found.until)},
    )


def _named(leases: Sequence[str]) -> str:
    return ", ".join(leases[:SHOWN]) + (" and others" if len(leases) > SHOWN else "")


def _check_gap(pool: str, before: Book, after: Book, now: Instant) -> None:
    """Leases that follow one another closely keep their starts. Raises PolicyRefused."""
    if after.policy.gap_s <= before.policy.gap_s:
        return
    found = gaps.too_close(before, after, now)
    if found is not None:
        raise PolicyRefused(
            f"a gap of {after.policy.gap_s} s would take time that is promised in pool {pool}: {_named(found.leases)} begin sooner after others"
            f" than that; as things are, it can be so long from {words.time(found.until)} on",
            numbers={"pool": pool, "leases": len(found.leases), "until": words.time(found.until)},
        )


def _applied(change: Change, plans: Mapping[str, Plan], *, already: bool = False) -> wire.PolicyApplied:
    moves = [move for plan in plans.values() for move in plan.moves]
    pulled = [plan.book.leases[lease_id] for plan in plans.values() for lease_id in plan.pulled]
    return wire.PolicyApplied(
        version=change.live.version if already else change.live.version + 1,
        already=already,
        changes=list(change.changes),
        moved=[touched(move.before, move.after) for move in moves],
        pulled=[touched(None, lease) for lease in pulled],
    )


def _audited(changes: Sequence[wire.PolicyDifference], side: str) -> dict[str, Any]:
    return {one.where: getattr(one, side) for one in changes}
