"""How Dure is, for those who run it."""

from fastapi import APIRouter
from starlette.responses import Response

from api import answers, checking
from api.deps import OperatorReads
from api.strict import StrictRoute
from dure import wire

router = APIRouter(prefix="/v1/checkup", tags=["health"], route_class=StrictRoute)


@router.get("", response_model=wire.Checkup, summary="Is Dure well?")
def show_checkup(call: OperatorReads) -> Response:
    """Findings about database, schema, clocks, schedulers, ledger, agents, pools, GPUs, clusters, webhooks and tokens, each `ok` or
    with what to do next. For admins and operators.

    While the database is away that is a finding, and so is a schema that is not this API's; who asks cannot be known then, and the
    answer has no more than `/readyz` tells everybody.
    """
    return answers.ok(checking.checkup(call)).response()
