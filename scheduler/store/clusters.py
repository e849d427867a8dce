"""Which clusters there are: those that the leading scheduler is told of, and how it found them. A pool may name another, and
then nobody enforces its leases.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, delete, func, select

from dure import wire
from scheduler.store import pages
from scheduler.store.tables import Cluster, Pod, Pool
from scheduler.store.times import to_wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """How a cluster was found: its version, when it last answered, and what is wrong with it."""

    cluster: str
    version: str | None
    heard_at: float | None
    trouble: str | None


def told_of(session: Session, names: Collection[str]) -> None:
    """Those of these names and no others are what the leading scheduler is told of; what is known of them stays."""
    session.exec(delete(Cluster).where(col(Cluster.name).not_in(names)))
    for name in sorted(names):
        session.connection().execute(insert(Cluster).values(name=name).on_conflict_do_nothing())


def heard(session: Session, found: Heard) -> None:
    """Writes down how a cluster is."""
    said = {"version": found.version, "heard_at": found.heard_at, "trouble": found.trouble}
    statement = insert(Cluster).values(name=found.cluster, **said)
    kept = {
        name: func.coalesce(statement.excluded[name], col(getattr(Cluster, name))) for name in ("version", "heard_at")
    }
    changed = {**kept, "trouble": statement.excluded.trouble}
    session.connection().execute(statement.on_conflict_do_update(index_elements=["name"], set_=changed))


def was_heard(session: Session, name: str) -> bool:
    """Whether leases may have something in a cluster. One that a scheduler is told of no more has no row, but its pods have:
    they run there still. In one that was never heard nothing was ever let in.
    """
    row = session.get(Cluster, name)
    if row is not None and row.heard_at is not None:
        return True
    return session.exec(select(Pod.uid).where(col(Pod.cluster) == name).limit(1)).first() is not None


def unserved(session: Session) -> list[tuple[str, str]]:
    """Pools whose leases nobody enforces though they name a cluster, by name, and what they call it."""
    query = select(Pool.name, Pool.cluster).where(
        col(Pool.cluster).is_not(None), col(Pool.cluster).not_in(select(Cluster.name))
    )
    return [(pool, str(cluster)) for pool, cluster in session.exec(query.order_by(col(Pool.name)))]


def state(session: Session, name: str | None) -> wire.ClusterState | None:
    """How the cluster stands that a pool names; None where it names none."""
    return None if name is None else _state(session.get(Cluster, name))


def _state(found: Cluster | None) -> wire.ClusterState:
    if found is None:
        return wire.ClusterState.UNKNOWN
    is_well = found.trouble is None and found.heard_at is not None
    return wire.ClusterState.OK if is_well else wire.ClusterState.TROUBLE


def page(session: Session, *, after: str | None, limit: int) -> wire.Page[wire.Cluster]:
    """By name; also those that only pools know, so that a name that somebody got wrong is seen."""
    pools: dict[str, list[str]] = {}
    wanted = select(Pool.cluster, Pool.name).where(col(Pool.cluster).is_not(None)).order_by(col(Pool.name))
    for cluster, pool in session.exec(wanted):
        pools.setdefault(str(cluster), []).append(pool)
    known = {row.name: row for row in session.exec(select(Cluster))}
    names = sorted(name for name in known.keys() | pools.keys() if name > (after or ""))
    return pages.page(
        names[: limit + 1],
        limit,
        wire=lambda name: _cluster(name, known.get(name), pools.get(name, [])),
        key=lambda name: name,
    )


def _cluster(name: str, found: Cluster | None, pools: list[str]) -> wire.Cluster:
    if found is None:
        return wire.Cluster(
            name=name, state=_state(None), version=None, heard_at=None, trouble=_unknown(name), pools=pools
        )
    return wire.Cluster(
        name=name,
        state=_state(found),
        version=found.version,
        heard_at=None if found.heard_at is None else to_wire(int(found.heard_at)),
        trouble=found.trouble,
        pools=pools,
    )


def _unknown(name: str) -> str:
    return (
        f"no scheduler is told of a cluster {name}, so nobody enforces the leases of its pools: name it in "
        "DURE_SCHEDULER_CLUSTERS, or say another (dure pool enforce POOL --cluster NAME)"
    )
