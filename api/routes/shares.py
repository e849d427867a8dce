"""Shares of pools: what companies are entitled to where not everybody can have what they want."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import answers
from api.deps import AdminWrites, PersonReads
from api.openapi import own
from api.strict import StrictRoute
from dure import wire
from dure.errors import UnknownCompany, UnknownGroup, UnknownPool
from scheduler import fairness
from scheduler.store import shares

router = APIRouter(prefix="/v1", tags=["pools"], route_class=StrictRoute)

Pool = Annotated[wire.PoolName, Query(description="Of this pool.")]


@router.get("/fair", response_model=wire.FairPool, summary="Show who is served first", openapi_extra=own(UnknownPool))
def show_fair(call: PersonReads, pool: Pool) -> Response:
    """Each company's share and use, in the order in which the pool's queue is served. A company sees itself alone."""
    return call.read(lambda at: fairness.show(at.service, at.session, pool, actor=at.actor, now=at.now))


@router.put(
    "/pools/{pool}/shares/{company}",
    response_model=wire.Share,
    summary="Set a company's shares",
    openapi_extra=own(UnknownCompany, UnknownPool, UnknownGroup),
)
def set_share(pool: wire.PoolName, company: wire.CompanyName, body: wire.ShareSet, call: AdminWrites) -> Response:
    """For admins. They count where the pool's policy says what contended is; promises that were given stay."""
    return call.write(lambda at: answers.ok(shares.put(at.session, company, pool, body, actor=at.actor, now=at.now)))


@router.delete(
    "/pools/{pool}/shares/{company}",
    response_model=wire.Share,
    summary="Take a company's shares away",
    openapi_extra=own(UnknownCompany, UnknownPool),
)
def remove_share(pool: wire.PoolName, company: wire.CompanyName, call: AdminWrites) -> Response:
    """For admins. It has one share beside the groups then, as who never had any."""
    return call.write(lambda at: answers.ok(shares.remove(at.session, company, pool, actor=at.actor, now=at.now)))


@router.put(
    "/pools/{pool}/share-groups/{group}",
    response_model=wire.ShareGroup,
    summary="Set a group's shares",
    openapi_extra=own(UnknownPool),
)
def set_group(pool: wire.PoolName, group: wire.GroupName, body: wire.ShareGroupSet, call: AdminWrites) -> Response:
    """For admins. Makes the group where there is none; what it gets is divided among its companies by their shares."""
    return call.write(
        lambda at: answers.ok(shares.put_group(at.session, pool, group, body, actor=at.actor, now=at.now))
    )
