"""What if: another quota, fleet or policy, now or in the past."""

from fastapi import APIRouter
from starlette.responses import Response

from api.deps import StaffReads
from api.openapi import own
from api.strict import StrictRoute
from dure import wire
from dure.errors import UnknownCompany, UnknownNode, UnknownPool

router = APIRouter(prefix="/v1/whatif", tags=["whatif"], route_class=StrictRoute)


@router.post(
    "",
    response_model=wire.WhatIfAnswer,
    summary="What would be different",
    openapi_extra=own(UnknownPool, UnknownCompany, UnknownNode),
)
def what_if(body: wire.WhatIf, call: StaffReads) -> Response:
    """For admins. Without `since`: every lease that waits or is queued, as it is and as it would be.

    With `since` the decisions of a stretch of the past are made again at their instants, with the releases, ends and losses
    that really happened, once as things were and once as they would have been. Changes nothing.
    """
    service = call.parts.service
    return call.study(lambda at: service.what_ifs.read(at.session, body, now=at.now), service.what_ifs.answer)
