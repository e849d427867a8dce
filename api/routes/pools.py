"""Pools: interchangeable GPUs of one product."""

from fastapi import APIRouter
from starlette.responses import Response

from api import answers
from api.calls import Admitted
from api.deps import AdminWrites, Cursor, Limit, PersonReads, after
from api.openapi import own
from api.strict import StrictRoute
from dure import wire
from dure.errors import AlreadyExists, UnknownPool, WrongState
from scheduler import policies
from scheduler.store import pools

router = APIRouter(prefix="/v1/pools", tags=["pools"], route_class=StrictRoute)


@router.post("", status_code=201, response_model=wire.Pool, summary="Add a pool", openapi_extra=own(AlreadyExists))
def add_pool(body: wire.PoolCreate, call: AdminWrites) -> Response:
    """For admins, and never without `reason`: its policy is a version of its own. GPUs of the product that agents reported
    already join at once.
    """

    def work(at: Admitted) -> answers.Answer:
        call.why("eight nodes came in March", kept_in="the policy's history")
        return answers.created(pools.add(at.session, body, actor=at.actor, now=at.now))

    return call.write(work)


@router.patch(
    "/{pool}/policy", response_model=wire.Pool, summary="Change how a pool promises", openapi_extra=own(UnknownPool)
)
def change_policy(pool: wire.PoolName, body: wire.PolicyChange, call: AdminWrites) -> Response:
    """For admins, and never without `reason`. What is left out stays as it is, and what is promised already stays promised."""

    def work(at: Admitted) -> answers.Answer:
        call.why("shorter promises in June", kept_in="the policy's history")
        return answers.ok(policies.change_policy(at.service, at.session, pool, body, actor=at.actor, now=at.now))

    return call.write(work)


@router.patch(
    "/{pool}",
    response_model=wire.Pool,
    summary="Say where a pool is enforced",
    openapi_extra=own(UnknownPool, WrongState),
)
def change_pool(pool: wire.PoolName, body: wire.PoolChange, call: AdminWrites) -> Response:
    """For admins. Names the cluster that holds its nodes, and what that calls its GPUs. One that no scheduler is told of yet
    is taken, and `cluster_state` of the answer is `unknown` then: nobody enforces the pool's leases until one is. Leases that
    run or are scheduled are in the way (`wrong_state`) only where a scheduler has heard the cluster that the pool named before.
    """
    return call.write(lambda at: answers.ok(pools.change(at.session, pool, body, actor=at.actor, now=at.now)))


@router.get("", response_model=wire.Page[wire.Pool], summary="List pools")
def list_pools(call: PersonReads, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """By name, each with its GPUs by state."""
    return call.read(lambda at: pools.page(at.session, after=after(cursor), limit=limit, now=at.now))


@router.get("/{pool}", response_model=wire.Pool, summary="Show a pool", openapi_extra=own(UnknownPool))
def show_pool(pool: wire.PoolName, call: PersonReads) -> Response:
    """Its GPUs by state, and how many asks wait."""
    return call.read(lambda at: pools.get(at.session, pool, now=at.now))
