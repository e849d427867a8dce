"""Companies: the startups."""

from fastapi import APIRouter
from starlette.responses import Response

from api import answers
from api.calls import Admitted
from api.deps import AdminWrites, Cursor, Limit, PersonReads, StaffReads, after
from api.openapi import own
from api.strict import StrictRoute
from dure import wire
from dure.errors import AlreadyExists, HasLeases, UnknownCompany
from scheduler.store import closing, companies, joining

router = APIRouter(prefix="/v1/companies", tags=["companies"], route_class=StrictRoute)


@router.post(
    "", status_code=201, response_model=wire.Company, summary="Add a company", openapi_extra=own(AlreadyExists)
)
def add_company(body: wire.CompanyCreate, call: AdminWrites) -> Response:
    """For admins. It may ask once it has a token and a quota."""
    return call.write(lambda at: answers.created(joining.add(at.session, body, actor=at.actor, now=at.now)))


@router.get("", response_model=wire.Page[wire.Company], summary="List companies")
def list_companies(call: StaffReads, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """For admins. By name."""
    return call.read(lambda at: companies.page(at.session, after=after(cursor), limit=limit))


@router.get("/{company}", response_model=wire.Company, summary="Show a company", openapi_extra=own(UnknownCompany))
def show_company(company: wire.CompanyName, call: PersonReads) -> Response:
    """For admins, and for the company itself."""
    return call.read(lambda at: companies.get(at.session, company))


@router.post(
    "/{company}/close",
    response_model=wire.Company,
    summary="Close a company",
    openapi_extra=own(UnknownCompany, HasLeases),
)
def close_company(company: wire.CompanyName, call: AdminWrites) -> Response:
    """For admins, and never without `reason`. Not while it has leases that are not over. From then on it asks for nothing and is
    given no keys; its namespaces, with all that is in them, are removed a grace later.
    """

    def work(at: Admitted) -> answers.Answer:
        call.why("left the programme")
        return answers.ok(closing.close(at.session, company, actor=at.actor, now=at.now))

    return call.write(work)


@router.post(
    "/{company}/reopen",
    response_model=wire.Company,
    summary="Open a closed company again",
    openapi_extra=own(UnknownCompany),
)
def reopen_company(company: wire.CompanyName, call: AdminWrites) -> Response:
    """For admins. Within the grace its namespaces are as they were; later they are made anew."""
    return call.write(lambda at: answers.ok(closing.reopen(at.session, company, actor=at.actor, now=at.now)))
