"""The audit log, for those who see everything."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.deps import Cursor, Limit, Since, StaffReads, Until, after
from api.strict import StrictRoute
from dure import wire
from scheduler.store import audit
from scheduler.store.audit import Wanted

router = APIRouter(prefix="/v1/audit", tags=["audit"], route_class=StrictRoute)

OfActor = Annotated[
    str | None,
    Query(max_length=200, description="By who did it: a role, `company:acme`, or the whole of it with the token."),
]
OfAction = Annotated[
    str | None,
    Query(
        max_length=100,
        description="By what was done: `quota.set`, or one of its words: `quota` is all that is done to quotas, and `policy` "
        "is `policy.apply` and `pool.policy`. What is none is refused with all there are.",
    ),
]
OfSubject = Annotated[str | None, Query(max_length=200, description="By the id or name of what it was done to.")]


@router.get("", response_model=wire.Page[wire.AuditEntry], summary="Who did what, when and why")
def list_audit(
    call: StaffReads,
    *,
    actor: OfActor = None,
    action: OfAction = None,
    subject: OfSubject = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Newest first, with what it was before and after. Nobody can change it."""
    wanted = Wanted(actor=actor, action=action, subject=subject, since=since, until=until)
    return call.read(lambda at: audit.page(at.session, wanted, after=after(cursor), limit=limit))
