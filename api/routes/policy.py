"""The policy: how every pool promises, with its versions."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import answers
from api.calls import Admitted
from api.deps import AdminWrites, Cursor, DryRun, Limit, StaffReads, after
from api.openapi import own
from api.strict import PolicyRoute
from dure import wire
from dure.errors import PolicyMoved, PolicyRefused, UnknownPolicy, UnknownPool
from scheduler import policies
from scheduler.store import policies as versions

router = APIRouter(prefix="/v1/policy", tags=["policy"], route_class=PolicyRoute)

Version = Annotated[int | None, Query(ge=1, le=1 << 53, description="This version; else the one that is live.")]


@router.get("", response_model=wire.Policy, summary="Show the policy", openapi_extra=own(UnknownPolicy))
def show_policy(call: StaffReads, version: Version = None) -> Response:
    """The whole of it: what holds for the programme, and for each pool."""
    return call.read(lambda at: versions.at(at.session, version))


@router.put(
    "",
    response_model=wire.PolicyApplied,
    summary="Put a policy",
    openapi_extra=own(UnknownPool, PolicyMoved, PolicyRefused),
)
def put_policy(body: wire.PolicyPut, call: AdminWrites, *, dry_run: DryRun = False) -> Response:
    """For admins, and never without `reason`. Whole, with every pool, and made from the version that is live; all of it holds from now on, or nothing.

    What is promised stays promised. Where the live version says the same already, nothing is done.
    """
    if dry_run:
        return call.read(lambda at: policies.preview(at.service, at.session, body, now=at.now))

    def work(at: Admitted) -> answers.Answer:
        call.why("shorter promises in June", kept_in="the history")
        return answers.ok(policies.put(at.service, at.session, body, actor=at.actor, now=at.now))

    return call.write(work)


@router.get("/history", response_model=wire.Page[wire.PolicyVersion], summary="List the policy's versions")
def list_policy_versions(call: StaffReads, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Newest first: who made each, when and why, and what it changed."""
    return call.read(lambda at: versions.page(at.session, after=after(cursor), limit=limit))
