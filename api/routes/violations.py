"""Violations: who is on a GPU that no lease explains."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.deps import Cursor, Limit, StaffReads, after
from api.strict import StrictRoute
from dure import wire
from scheduler.store import violations
from scheduler.store.violations import Wanted

router = APIRouter(prefix="/v1/violations", tags=["nodes"], route_class=StrictRoute)

OfNode = Annotated[wire.NodeName | None, Query(description="Of this node alone.")]
Open = Annotated[bool, Query(description="Those alone that are not over.")]


@router.get("", response_model=wire.Page[wire.Violation], summary="List who is on GPUs without a lease")
def list_violations(
    call: StaffReads, *, node: OfNode = None, open: Open = False, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """For admins. Newest first, with the evidence and what is done about each. Those that are over are kept."""
    wanted = Wanted(node=node, is_open=open)
    return call.read(lambda at: violations.page(at.session, wanted, after=after(cursor), limit=limit))
