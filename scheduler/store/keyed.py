"""Which account of which cluster a key is of, by what the rows say now, and who was given one. No cluster is asked here."""

from dataclasses import dataclass

from sqlmodel import Session, col, select

from dure import kube, wire
from dure.errors import InvalidRequest, NotEnforced, UnknownCluster, WrongState
from scheduler.actor import Actor
from scheduler.store import audit, companies, leases
from scheduler.store.tables import Audit, Lease, Pool
from scheduler.store.times import to_wire

TOLD_AGAIN_S = 3600
"""Keys that are fetched again and again, as kubectl's plugin does every few minutes, are one line of the audit log in so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyed:
    """`account` is a ServiceAccount in the company's namespace; the key is worth nothing from `until` on, Unix seconds."""

    cluster: str
    company: str
    account: str
    lease: str | None = None
    until: int | None = None


def of_lease(session: Session, lease_id: str, *, actor: Actor) -> Keyed:
    """One that is scheduled or runs. Raises UnknownLease, WrongState, NotEnforced."""
    found = leases.row(session, lease_id, actor=actor)
    if found.state not in leases.BOOKED:
        raise WrongState(f"lease {lease_id} is {found.state}, so there is no key to it; `dure ask` for a new one")
    return _keyed(session, found)


def held(session: Session, lease_id: str, *, actor: Actor, now: float) -> Keyed:
    """One that holds its GPUs now. Raises UnknownLease, WrongState, NotEnforced."""
    found = of_lease(session, lease_id, actor=actor)
    row = leases.row(session, lease_id, actor=actor)
    if row.state == "scheduled":
        when = "" if row.starts_at is None else f" before it starts, at {to_wire(row.starts_at).isoformat()}"
        raise WrongState(
            f"lease {lease_id} is scheduled, and has no key{when}; what shall wait for it is made with the company's "
            f"key: `dure kubeconfig --company {row.company}`"
        )
    if found.until is not None and found.until <= now:
        raise WrongState(f"lease {lease_id} is at its end, and its key is gone; `dure ask` for a new lease")
    return found


def of_company(session: Session, company: str, cluster: str | None) -> Keyed:
    """In the cluster that is named, or the only one.

    Raises UnknownCompany, CompanyClosed, NotEnforced, UnknownCluster, InvalidRequest.
    """
    companies.asking(session, company)
    wanted = select(Pool.cluster).where(col(Pool.cluster).is_not(None)).distinct().order_by(col(Pool.cluster))
    known = [str(one) for one in session.exec(wanted)]
    if not known:
        raise NotEnforced("no pool is enforced by a cluster; an admin says which is with `dure pool enforce`")
    if cluster is None and len(known) > 1:
        raise InvalidRequest.about("cluster", f"there are several, so say which: {', '.join(known)}")
    if cluster is not None and cluster not in known:
        raise UnknownCluster(f"no pool is enforced by a cluster {cluster}; those that enforce some: {', '.join(known)}")
    return Keyed(cluster=cluster or known[0], company=company, account=kube.COMPANY_KEY)


def made(session: Session, found: Keyed, *, actor: Actor, expires_at: int, is_static: bool, now: float) -> None:
    """Writes down who was given a key: each that is static, of the others the first by the same token for the same in an hour."""
    subject = found.lease or found.company
    if not is_static and _is_told(session, subject, actor, now):
        return
    after = {"cluster": found.cluster, "static": is_static, "expires_at": expires_at}
    audit.record(session, actor=actor, action=wire.AuditAction.KEY_MAKE, subject=subject, at=now, after=after)


def _is_told(session: Session, subject: str, actor: Actor, now: float) -> bool:
    query = (
        select(Audit.at)
        .where(Audit.subject == subject, Audit.action == wire.AuditAction.KEY_MAKE, Audit.actor == str(actor))
        .where(col(Audit.after)["static"].as_boolean().is_(False))
        .order_by(col(Audit.seq).desc())
        .limit(1)
    )
    last = session.exec(query).first()
    return last is not None and last > now - TOLD_AGAIN_S


def _keyed(session: Session, found: Lease) -> Keyed:
    cluster = session.get_one(Pool, found.pool).cluster
    if cluster is None:
        raise NotEnforced(
            f"pool {found.pool} is enforced by no cluster, so lease {found.id} has no key; "
            f"an admin says which is with `dure pool enforce {found.pool}`"
        )
    account = kube.lease_account(found.id)
    return Keyed(cluster=cluster, company=found.company, account=account, lease=found.id, until=found.stops_at)
