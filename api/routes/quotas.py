"""Quotas: how many GPUs of a pool a company may hold at once."""

from fastapi import APIRouter
from starlette.responses import Response

from api import answers
from api.deps import AdminWrites, Cursor, Limit, PersonReads, after
from api.openapi import own
from api.strict import StrictRoute
from dure import wire
from dure.errors import UnknownCompany, UnknownPool
from scheduler.store import quotas

router = APIRouter(prefix="/v1/companies/{company}/quotas", tags=["companies"], route_class=StrictRoute)


@router.put("/{pool}", response_model=wire.Quota, summary="Set a quota", openapi_extra=own(UnknownCompany, UnknownPool))
def set_quota(company: wire.CompanyName, pool: wire.PoolName, body: wire.QuotaSet, call: AdminWrites) -> Response:
    """For admins. Promises that were given stay, also above a lowered quota."""
    return call.write(lambda at: answers.ok(quotas.put(at.session, company, pool, body, actor=at.actor, now=at.now)))


@router.get(
    "", response_model=wire.Page[wire.Quota], summary="List a company's quotas", openapi_extra=own(UnknownCompany)
)
def list_quotas(company: wire.CompanyName, call: PersonReads, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """For admins, and for the company itself. By pool, with what is held and booked."""
    return call.read(lambda at: quotas.page(at.session, company, after=after(cursor), limit=limit, now=at.now))
