"""Reports: what was had and used on whole days, as JSON or CSV."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from api.answers import CSV
from api.calls import Admitted
from api.deps import Cursor, OfCompany, OfPool, PersonReads, after
from api.openapi import own
from api.strict import StrictRoute
from dure import sheet, wire
from dure.errors import UnknownCompany, UnknownGroup, UnknownPool
from scheduler import days
from scheduler.store import programme, summaries
from scheduler.store.summaries import Wanted

router = APIRouter(prefix="/v1/reports", tags=["usage"], route_class=StrictRoute)

SHOWN = timedelta(days=30)
MOST_ROWS = 10_000

By = Annotated[
    list[wire.ReportCut], Query(min_length=1, max_length=5, description="By what it is cut, in the order of its rows.")
]
FromDay = Annotated[
    wire.Day | None, Query(description="The first day, in the programme's zone; else 30 days before `until`.")
]
ToDay = Annotated[wire.Day | None, Query(description="The first day that is not in it any more; else tomorrow.")]
OfGroup = Annotated[
    wire.CompanyName | None, Query(description="Of the companies of this group alone, or of those in no group: `none`.")
]
Rows = Annotated[int, Query(ge=1, le=MOST_ROWS, description="How many at most.")]


@dataclass(frozen=True, slots=True)
class Of:
    """Whose numbers they are."""

    company: OfCompany = None
    pool: OfPool = None
    group: OfGroup = None


EXAMPLE = """\
company,pool,leases,leased_gpu_seconds,busy_gpu_seconds,idle_gpu_seconds,unknown_gpu_seconds,lost_gpu_seconds,...
acme,h100-80gb,1,7200,5904,1276,20,0,...
"""
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A page; with `Accept: text/csv` the same as CSV, and `Link` has the address of the next page",
        "content": {CSV: {"schema": {"type": "string"}, "examples": {"by company and pool": {"value": EXAMPLE}}}},
    }
}


@router.get(
    "",
    response_model=wire.UsageReport,
    responses=ANSWERS,
    summary="What was had and used, by company, group, pool, day or lease",
    openapi_extra=own(UnknownCompany, UnknownPool, UnknownGroup),
)
def show_report(
    call: PersonReads,
    of: Annotated[Of, Depends()],
    *,
    by: By = ["company", "pool"],  # noqa: B006 - FastAPI copies it
    since: FromDay = None,
    until: ToDay = None,
    limit: Rows = 1000,
    cursor: Cursor = None,
) -> Response:
    """Whole days of the programme's zone, 30 of them unless said otherwise; a company sees its own."""

    def work(at: Admitted) -> wire.UsageReport:
        end = until or days.of(at.now, programme.zone(at.session)) + timedelta(days=1)
        begin = since or max(end - SHOWN, wire.EARLIEST.date())
        wanted = Wanted(by=by, since=begin, until=end, company=of.company, pool=of.pool, group=of.group)
        return summaries.report(at.session, wanted, actor=at.actor, now=at.now, after=after(cursor), limit=limit)

    if CSV not in call.request.headers.get("accept", ""):
        return call.read(work)
    found = call.look(work)
    return Response(sheet.text(found), media_type=CSV, headers=_next(call.request, found))


def _next(request: Request, found: wire.UsageReport) -> dict[str, str]:
    """The address of the next page, and of nobody's server: it is relative (RFC 8288)."""
    if found.next_cursor is None:
        return {}
    # The same days, whatever day it is by then.
    more = request.url.include_query_params(since=found.since, until=found.until, cursor=found.next_cursor)
    return {"Link": f'<{more.path}?{more.query}>; rel="next"'}
