"""Events: what happened to leases, as pages for programs that look now and then, and as a stream."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from api import auth
from api.calls import Admitted, Call
from api.deps import Cursor, Limit, OfCompany, OfPool, PersonReads, Since, after
from api.openapi import own
from api.streams import EventStream
from api.strict import StrictRoute
from api.subscription import Subscription, Wanted
from dure import wire
from dure.errors import InvalidRequest, UnknownCompany
from scheduler.store import companies, events
from scheduler.store.events import Position
from scheduler.store.times import from_wire

router = APIRouter(prefix="/v1/events", tags=["events"], route_class=StrictRoute)

STREAM = "text/event-stream"
LAST_ID = "Last-Event-ID"

AfterId = Annotated[str | None, Query(max_length=100, description="After the event of this id.")]
LastEventId = Annotated[
    str | None,
    Header(alias=LAST_ID, max_length=100, description="For a stream: after the event of this id; goes before `after`."),
]


@dataclass(frozen=True, slots=True)
class Wish:
    """Which events, and from where on."""

    company: OfCompany = None
    pool: OfPool = None
    since: Since = None
    after: AfterId = None


EXAMPLE = """\
: events
id: evt_1206
retry: 2000

event: lease.active
data: {"id":"evt_1207","type":"lease.active","at":"2026-11-24T00:00:00Z", ...}
id: evt_1207

"""
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A page; with `Accept: text/event-stream` a stream that goes on until one side ends it",
        "content": {STREAM: {"schema": {"type": "string"}, "examples": {"a stream": {"value": EXAMPLE}}}},
    }
}


@router.get(
    "",
    response_model=wire.Page[wire.Event],
    responses=ANSWERS,
    summary="What happened, page by page or as a stream",
    openapi_extra=own(UnknownCompany),
)
async def list_events(
    request: Request,
    call: PersonReads,
    wish: Annotated[Wish, Depends()],
    last_id: LastEventId = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Oldest first; a company sees its own. Pages begin at the beginning, a stream begins now, unless told otherwise."""
    if STREAM in request.headers.get("accept", ""):
        return await _stream(call, wish, last_id)

    def work(at: Admitted) -> wire.Page[wire.Event]:
        return events.page(
            at.session,
            actor=at.actor,
            company=wish.company,
            pool=wish.pool,
            since=wish.since,
            event_id=wish.after,
            after_key=after(cursor),
            limit=limit,
        )

    return await run_in_threadpool(call.read, work)


async def _stream(call: Call, wish: Wish, last_id: str | None) -> Response:
    """Raises what admission raises, UnknownCompany, InvalidRequest, Unavailable."""
    for name in ("limit", "cursor"):
        if name in call.request.query_params:
            message = "a stream has no pages; leave it out, or ask without `Accept: text/event-stream`"
            raise InvalidRequest(f"{name}: {message}", errors=[wire.FieldError(field=name, message=message)])
    wanted, start = await run_in_threadpool(call.look, lambda at: _wanted(at, call.request, wish, last_id))
    stream, feed = Subscription(wanted, start), call.parts.feed
    await run_in_threadpool(feed.join, stream)
    return EventStream(feed, stream)


def _wanted(at: Admitted, request: Request, wish: Wish, last_id: str | None) -> tuple[Wanted, Position | None]:
    """Whose events, and after which; None is from now on."""
    if wish.company is not None:
        companies.row(at.session, wish.company)
    wanted = Wanted(
        company=at.actor.company or wish.company,
        pool=wish.pool,
        since=None if last_id else from_wire(wish.since),
        owner=at.actor.company,
        secret=auth.secret(request),
    )
    if last_id or wish.after:
        field = LAST_ID if last_id else "after"
        return wanted, events.found(at.session, last_id or wish.after or "", field=field)
    return wanted, None if wanted.since is None else events.beginning(at.session, wanted.since)
