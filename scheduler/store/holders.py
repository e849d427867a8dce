"""Leases hold the GPUs that their pods really have: nominal ones are swapped for those, inside the node, as agents tell them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy import text
from sqlmodel import Session, col, select

from dure import kube, wire
from scheduler.core.swapping import Held, Real, Swaps, swaps
from scheduler.store import fleet, lost_gpus, records, violations
from scheduler.store.tables import Lease, Node, NodeHolders

log = structlog.get_logger()

_GPUS = text("SELECT uuid, pool, present AND health = 'ok' AS sound FROM gpu WHERE node = :node")

_HELD = text(
    """
    SELECT id, lease, gpu, ended_at IS NOT NULL AS ended FROM allocation WHERE node = :node AND closed_at IS NULL ORDER BY id
    """
)

_PODS = text(
    """
    SELECT p.company, p.name, p.lease FROM pod p JOIN lease l ON l.id = p.lease JOIN pool o ON o.name = l.pool
    WHERE p.ended_at IS NULL AND p.cluster = o.cluster AND coalesce(p.node, :node) = :node AND p.name = ANY(:names)
    """
)
"""Which leases the pods of these names are on. The kubelet itself says that they are on the node, often before it is written down."""

_SWAP = text(
    """
    UPDATE allocation a SET gpu = m.gpu FROM unnest(CAST(:ids AS text[]), CAST(:gpus AS text[])) AS m (id, gpu)
    WHERE a.id = m.id AND a.ended_at IS NULL
    """
)


_KEEP = text(
    """
    INSERT INTO node_holders AS k (node, holders) VALUES (:node, CAST(:holders AS jsonb))
    ON CONFLICT (node) DO UPDATE SET holders = excluded.holders WHERE k.holders <> excluded.holders
    """
)


_FORGET = text("DELETE FROM node_holders WHERE node = :node")


@dataclass(frozen=True, slots=True)
class _Given:
    """A pod that the kubelet gave a GPU to."""

    gpu: str
    namespace: str
    pod: str


def settle(session: Session, node: str, holders: Sequence[wire.GpuHolder], *, now: float) -> None:
    """Swaps GPUs between what is held of the node, or for free ones, so that each lease holds what the kubelet gave to its pods,
    and tells those leases. Pods with more GPUs than their lease holds are violations.

    Where something is to be swapped it takes the locks of the node's pools, as whoever starts leases there: call it before
    anything else of the node is written.
    """
    given = sorted({(one.gpu, one.namespace, one.pod) for one in holders})
    _swap(session, node, [_Given(*one) for one in given], now)
    kept = [{"gpu": gpu, "namespace": namespace, "pod": pod} for gpu, namespace, pod in given]
    session.connection().execute(_KEEP, {"node": node, "holders": json.dumps(kept)})


def again(session: Session, node: str, *, now: float) -> None:
    """The same by what was told last, once more is known of which leases the pods are on. Of a node that is silent nothing is known."""
    query = select(NodeHolders).join(Node, col(Node.name) == col(NodeHolders.node))
    found = session.exec(query.where(col(NodeHolders.node) == node, col(Node.state) == "ok")).one_or_none()
    if found is not None:
        _swap(session, node, [_Given(**one) for one in found.holders], now)


def forget(session: Session, node: str) -> None:
    """Its kubelet cannot be asked any more: what was told before may be long over."""
    session.connection().execute(_FORGET, {"node": node})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What is to be swapped, out of what is held, which GPUs are not sound, and which pod is behind each lease's GPU."""

    swaps: Swaps = field(default_factory=Swaps)
    held: Sequence[Held] = ()
    sick: frozenset[str] = frozenset()
    pods: Mapping[Real, _Given] = field(default_factory=dict[Real, _Given])


def _swap(session: Session, node: str, holders: Sequence[_Given], now: float) -> None:
    found = _found(session, node, holders)
    if found.swaps.moves:
        fleet.lock_pools_of(session, node)
        found = _found(session, node, holders)
        _move(session, node, found, now)
    beyond = [
        violations.Beyond(gpu=one.gpu, lease=one.lease, namespace=found.pods[one].namespace, pod=found.pods[one].pod)
        for one in found.swaps.unexplained
    ]
    violations.note_beyond(session, node, beyond, now=now)


def _move(session: Session, node: str, found: _Found, now: float) -> None:
    moves = found.swaps.moves
    if not moves:
        return
    session.connection().execute(_SWAP, {"ids": list(moves), "gpus": list(moves.values())})
    moved = [one for one in found.held if one.allocation in moves]
    if found.sick & {gpu for one in moved for gpu in (one.gpu, moves[one.allocation])}:
        lost_gpus.review(session, [node], now=now)
    _tell(session, node, moved, found.swaps, now)


def _found(session: Session, node: str, holders: Sequence[_Given]) -> _Found:
    if not holders:
        return _Found()
    connection = session.connection()
    gpus = connection.execute(_GPUS, {"node": node}).all()
    held = [
        Held(allocation=row.id, lease=row.lease, gpu=row.gpu, ended=row.ended)
        for row in connection.execute(_HELD, {"node": node})
    ]
    sick = frozenset(row.uuid for row in gpus if not row.sound)
    pods = _pods(session, node, holders)
    found = swaps({row.uuid: row.pool for row in gpus}, held, pods, sick=sick)
    return _Found(swaps=found, held=held, sick=sick, pods=pods)


def _pods(session: Session, node: str, holders: Sequence[_Given]) -> dict[Real, _Given]:
    rows = session.connection().execute(_PODS, {"node": node, "names": sorted({one.pod for one in holders})})
    leases = {(kube.namespace(row.company), row.name): row.lease for row in rows}
    found = ((one, leases.get((one.namespace, one.pod))) for one in holders)
    return {Real(one.gpu, lease): one for one, lease in found if lease is not None}


def _tell(session: Session, node: str, moved: Sequence[Held], found: Swaps, now: float) -> None:
    for lease in sorted({one.lease for one in moved}):
        swapped = {one.gpu: found.moves[one.allocation] for one in moved if one.lease == lease}
        row = session.get_one(Lease, lease, populate_existing=True)
        records.event(session, row, "swapped", at=now, detail={"node": node, "gpus": len(swapped)})
        log.info(
            "the kubelet gave its pods other GPUs than the lease held",
            action="allocation.swapped",
            lease=lease,
            node=node,
            swapped=swapped,
        )
