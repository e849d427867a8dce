"""Clusters: which there are, how leases and companies get into them, and the pods in them."""

from fastapi import APIRouter
from starlette.responses import Response

from api import kube_keys
from api.deps import Cursor, Lasts, Limit, OfCluster, PersonReads, PersonTakes, StaffReads, TenantReads, after
from api.openapi import own
from api.strict import StrictRoute
from dure import wire
from dure.errors import (
    ClusterAway,
    ClusterRefused,
    CompanyClosed,
    KeyNotMade,
    NotEnforced,
    UnknownCluster,
    UnknownCompany,
    UnknownLease,
    WrongState,
)
from scheduler.store import clusters, keyed, shown_pods

router = APIRouter(prefix="/v1/clusters", tags=["clusters"], route_class=StrictRoute)
of_leases = APIRouter(prefix="/v1/leases/{lease}", tags=["leases"], route_class=StrictRoute)
of_companies = APIRouter(prefix="/v1/companies/{company}", tags=["companies"], route_class=StrictRoute)

REACHED = (UnknownCluster, NotEnforced, ClusterRefused)
MADE = (*REACHED, ClusterAway, KeyNotMade)


@router.get("", response_model=wire.Page[wire.Cluster], summary="List clusters")
def list_clusters(call: StaffReads, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Those that enforce leases, and how the scheduler last found them; also those that pools name and no scheduler is told of."""
    return call.read(lambda at: clusters.page(at.session, after=after(cursor), limit=limit))


@of_leases.get(
    "/kubeconfig",
    response_model=wire.KubeAccess,
    summary="How a lease's cluster is reached",
    openapi_extra=own(UnknownLease, WrongState, *REACHED),
)
def show_lease_access(lease: wire.Id, call: PersonReads) -> Response:
    """All that a kubeconfig needs but the key, before the lease's start too."""
    return kube_keys.access(call, lambda at: keyed.of_lease(at.session, lease, actor=at.actor))


@of_leases.post(
    "/kube-token",
    response_model=wire.KubeToken,
    summary="Get a key to a lease's pods",
    openapi_extra=own(UnknownLease, WrongState, *MADE),
)
def make_lease_key(lease: wire.Id, call: PersonTakes, lasts_s: Lasts = None) -> Response:
    """While it runs. The key is worth nothing from the lease's end on, whatever its own end is."""
    return kube_keys.token(call, lambda at: keyed.held(at.session, lease, actor=at.actor, now=at.now), lasts_s)


@of_leases.get(
    "/pods",
    response_model=wire.Page[wire.Pod],
    summary="List a lease's pods",
    openapi_extra=own(UnknownLease),
)
def list_lease_pods(lease: wire.Id, call: PersonReads, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Those that run on it, those that wait and name it, and for some days those that ran."""
    return call.read(
        lambda at: shown_pods.of_lease(at.session, lease, actor=at.actor, after=after(cursor), limit=limit)
    )


@of_leases.get(
    "/logs",
    response_model=wire.Page[wire.PodLog],
    summary="Read what a lease's pods last wrote",
    openapi_extra=own(UnknownLease),
)
def list_lease_logs(lease: wire.Id, call: TenantReads, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """The last lines and exit codes of those that are over, kept for some days. For the company itself, and for admins."""
    return call.read(lambda at: shown_pods.logs(at.session, lease, actor=at.actor, after=after(cursor), limit=limit))


@of_companies.get(
    "/kubeconfig",
    response_model=wire.KubeAccess,
    summary="How a company's namespace is reached",
    openapi_extra=own(UnknownCompany, CompanyClosed, *REACHED),
)
def show_company_access(company: wire.CompanyName, call: PersonReads, cluster: OfCluster = None) -> Response:
    """All that a kubeconfig needs but the key."""
    return kube_keys.access(call, lambda at: keyed.of_company(at.session, company, cluster))


@of_companies.post(
    "/kube-token",
    response_model=wire.KubeToken,
    summary="Get a key to a company's namespace",
    openapi_extra=own(UnknownCompany, CompanyClosed, *MADE),
)
def make_company_key(
    company: wire.CompanyName, call: PersonTakes, cluster: OfCluster = None, lasts_s: Lasts = None
) -> Response:
    """For its volumes, secrets, services and logs, and for pods that shall wait for a lease."""
    return kube_keys.token(call, lambda at: keyed.of_company(at.session, company, cluster), lasts_s)


@of_companies.get(
    "/pods",
    response_model=wire.Page[wire.Pod],
    summary="List a company's pods",
    openapi_extra=own(UnknownCompany),
)
def list_company_pods(
    company: wire.CompanyName, call: PersonReads, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Those that run, and those that wait at the gate with why they do."""
    return call.read(lambda at: shown_pods.of_company(at.session, company, after=after(cursor), limit=limit))
