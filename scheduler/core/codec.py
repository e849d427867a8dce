"""The values that a book is made of as plain JSON values and back, and as the bytes that digests are taken of.

The same value always gives the same bytes. Fields that have their default are left out, so that a field which comes
later changes nothing that was written before.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from scheduler.core.fragmentation import Mix
from scheduler.core.model import (
    Cause,
    CompanyId,
    Drain,
    Gang,
    Instant,
    Lease,
    LeaseId,
    Node,
    NodeId,
    Policy,
    PoolId,
    Purpose,
    Shape,
    Span,
    State,
    Tier,
    Total,
)
from scheduler.core.quota import Period, Quota
from scheduler.core.shares import Group, Share, Use, Uses

Item = Lease | Node | Drain | Quota | Policy | Mix | Share | Group | Uses
"""One thing that a book is made of."""

Json = dict[str, Any]

_INSTANTS = (
    "asked_at",
    "start",
    "start_by",
    "promised_start",
    "granted_at",
    "slipped_from",
    "starts_at",
    "ends_at",
    "stops_at",
    "started_at",
    "ended_at",
)


_LIMITS = ("longest_s", "furthest_s", "ahead_gpu_seconds", "open_asks")


def kind(item: Item) -> str:
    """The word for its type: `lease`, `node`, `drain`, `quota`, `policy`, `mix`, `share`, `group` or `uses`."""
    return type(item).__name__.lower()


def subject(item: Item) -> str:
    """What it is about: a later item of the same kind and subject replaces an earlier one."""
    match item:
        case Quota() | Share():
            return item.company
        case Group():
            return item.name
        case Policy() | Mix() | Uses():
            return ""
        case _:
            return item.id


def encode(item: Item) -> Json:
    match item:
        case Lease():
            return _lease(item)
        case Node():
            found: Json = {"id": item.id, "capacity": item.capacity, "nominal": item.nominal, "open": item.open}
            rest = (("rack", item.rack), ("island", item.island), ("lost_at", item.lost_at))
            return found | {key: value for key, value in rest if value}
        case Drain():
            return {"id": item.id, "node": item.node, "starts_at": item.starts_at, "ends_at": item.ends_at}
        case Quota():
            return _quota(item)
        case Policy():
            return _policy(item)
        case Mix():
            return {"weights": [list(pair) for pair in item.weights], "until": item.until}
        case Share() | Group() | Uses():
            return _fair(item)


def decode(kind: str, value: Mapping[str, Any]) -> Item:
    """The item that `encode` made this of. Raises KeyError, ValueError for what it did not make."""
    match kind:
        case "lease":
            return _to_lease(value)
        case "node":
            return Node(**value)
        case "drain":
            return Drain(**value)
        case "quota":
            return _to_quota(value)
        case "policy":
            return Policy(**value)
        case "mix":
            weights = tuple((size, weight) for size, weight in value["weights"])
            return Mix(weights=weights, until=Instant(value["until"]))
        case "share" | "group" | "uses":
            return _to_fair(kind, value)
        case _:
            raise ValueError(f"no item of a book is a {kind}")


def canonical(item: Item) -> bytes:
    """The bytes that stand for the item in a digest."""
    return orjson.dumps([kind(item), encode(item)], option=orjson.OPT_SORT_KEYS)


def text(value: Json) -> str:
    """A plain JSON value as the one text that stands for it: sorted, without blanks."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _lease(lease: Lease) -> Json:
    found: Json = {
        "id": lease.id,
        "company": lease.company,
        "pool": lease.pool,
        "shape": encode_shape(lease.shape),
        "duration_s": lease.duration_s,
        "state": lease.state.value,
        "notice_s": lease.notice_s,
        "purpose": lease.purpose.value,
    }
    for name in _INSTANTS:
        if (at := getattr(lease, name)) is not None:
            found[name] = at
    if lease.min_size is not None:
        found["min_size"] = lease.min_size
    if lease.is_spot:
        found["tier"] = lease.tier.value
    if lease.end_cause is not None:
        found["end_cause"] = lease.end_cause.value
    if lease.placement:
        found["placement"] = [[node, gpus] for node, gpus in lease.placement]
    if lease.history:
        found["history"] = [[span.gpus, span.starts_at, span.ends_at] for span in lease.history]
    return found


def _to_lease(value: Mapping[str, Any]) -> Lease:
    instants = {name: Instant(value[name]) for name in _INSTANTS if name in value}
    end_cause = value.get("end_cause")
    return Lease(
        id=LeaseId(value["id"]),
        company=CompanyId(value["company"]),
        pool=PoolId(value["pool"]),
        shape=decode_shape(value["shape"]),
        duration_s=value["duration_s"],
        state=State(value["state"]),
        notice_s=value["notice_s"],
        purpose=Purpose(value["purpose"]),
        min_size=value.get("min_size"),
        tier=Tier(value.get("tier", Tier.RESERVED)),
        end_cause=None if end_cause is None else Cause(end_cause),
        placement=tuple((NodeId(node), gpus) for node, gpus in value.get("placement", ())),
        history=tuple(
            Span(gpus=gpus, starts_at=Instant(starts_at), ends_at=Instant(ends_at))
            for gpus, starts_at, ends_at in value.get("history", ())
        ),
        **instants,
    )


def _quota(quota: Quota) -> Json:
    found: Json = {"company": quota.company, "gpus": quota.gpus}
    for name in _LIMITS:
        if (limit := getattr(quota, name)) is not None:
            found[name] = limit
    if quota.periods:
        found["periods"] = [[one.begins_at, one.ends_at, one.gpu_seconds, one.spent] for one in quota.periods]
    return found


def _to_quota(value: Mapping[str, Any]) -> Quota:
    periods = tuple(
        Period(begins_at=Instant(begins_at), ends_at=Instant(ends_at), gpu_seconds=gpu_seconds, spent=spent)
        for begins_at, ends_at, gpu_seconds, spent in value.get("periods", ())
    )
    limits = {name: value[name] for name in _LIMITS if name in value}
    return Quota(company=CompanyId(value["company"]), gpus=value["gpus"], periods=periods, **limits)


def _fair(item: Share | Group | Uses) -> Json:
    match item:
        case Share():
            group: Json = {"group": item.group} if item.group else {}
            return {"company": item.company, "shares": item.shares} | group
        case Group():
            return {"name": item.name, "shares": item.shares}
        case Uses():
            return {"at": item.at, "of": [[one.company, one.used, one.entitled] for one in item.of]}


def _to_fair(kind: str, value: Mapping[str, Any]) -> Share | Group | Uses:
    if kind == "share":
        return Share(**value)
    if kind == "group":
        return Group(**value)
    found = (Use(company=CompanyId(company), used=used, entitled=entitled) for company, used, entitled in value["of"])
    return Uses(at=Instant(value["at"]), of=tuple(found))


def _policy(policy: Policy) -> Json:
    found: Json = {
        "version": policy.version,
        "horizon_s": policy.horizon_s,
        "gap_s": policy.gap_s,
        "rule": policy.rule,
        "slack_ppm": policy.slack_ppm,
    }
    if policy.reserve_ppm:
        found |= {"reserve_ppm": policy.reserve_ppm, "reserve_over_s": policy.reserve_over_s}
    if policy.seniority_s is not None:
        found["seniority_s"] = policy.seniority_s
    for name in _SELDOM:
        if (value := getattr(policy, name)) != getattr(_PLAIN, name):
            found[name] = value
    return found


_SELDOM = (
    "walk_in_ppm",
    "walk_in_within_s",
    "loss_grace_s",
    "extension_closes_s",
    "contended",
    "contended_ppm",
    "half_life_s",
    "entry_s",
    "spot_least_s",
    "number",
)
_PLAIN = Policy(version="", horizon_s=0, gap_s=0)
"""What most pools do not say differently."""


def encode_shape(shape: Shape) -> list[int]:
    """`[gpus]` for a total, `[nodes, gpus_per_node]` for a gang."""
    return [shape.nodes, shape.gpus_per_node] if isinstance(shape, Gang) else [shape.gpus]


def decode_shape(value: list[int]) -> Shape:
    return Gang(nodes=value[0], gpus_per_node=value[1]) if len(value) == 2 else Total(gpus=value[0])
