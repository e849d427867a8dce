"""The ledger: every GPU-second of a company in a pool, as double entry."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import answers
from api.calls import Admitted
from api.deps import AdminWrites, Cursor, Limit, OfCompany, OfPool, PersonReads, Since, Until, after
from api.openapi import own
from api.strict import StrictRoute
from dure import wire
from dure.errors import Overdrawn, Unavailable, UnknownCompany, UnknownPool
from scheduler.store import accounts, ledger_verified, statements, sums
from scheduler.store.db import ran_out
from scheduler.store.statements import Wanted

router = APIRouter(prefix="/v1/ledger", tags=["ledger"], route_class=StrictRoute)

TOO_LARGE = (
    "there is too much in the ledger to add it up within a request; ask for one company in one pool, or run"
    " `python -m scheduler verify` beside the database. The leading scheduler does it by itself, and GET /v1/checkup says when"
)

OnePool = Annotated[wire.PoolName, Query(description="In this pool.")]
OfLease = Annotated[str | None, Query(max_length=64, description="Of this lease alone.")]


@router.get(
    "",
    response_model=wire.Page[wire.LedgerEntry],
    summary="Read a company's ledger in a pool",
    openapi_extra=own(UnknownCompany, UnknownPool),
)
def list_ledger(
    call: PersonReads,
    pool: OnePool,
    *,
    company: OfCompany = None,
    lease: OfLease = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Newest first: what was taken from which balance and given to which, why, and the balances after it.

    A company reads its own; the others say whose.
    """
    wanted = Wanted(company=company, pool=pool, lease=lease, since=since, until=until)
    return call.read(lambda at: statements.page(at.session, wanted, actor=at.actor, after=after(cursor), limit=limit))


@router.get(
    "/verify",
    response_model=wire.LedgerCheck,
    summary="Add the ledger up again",
    openapi_extra=own(UnknownCompany, UnknownPool),
)
def verify_ledger(call: PersonReads, company: OfCompany = None, pool: OfPool = None) -> Response:
    """Entry by entry, and compared with the accounts and the leases; `faults` is what does not add up.

    A company's own; for the others all companies unless one is named. When all of it was last added up is kept for
    `GET /v1/checkup`.
    """
    try:
        at, found = call.look(lambda at: (at, sums.verify(at.session, company=company, pool=pool, actor=at.actor)))
    except Unavailable as error:
        if ran_out(error):
            raise Unavailable(TOO_LARGE) from error
        raise
    if (at.actor.company, company, pool) == (None, None, None):
        with call.parts.db.begin() as session:
            ledger_verified.note(session, [found], now=at.now)
    return answers.ok(found).response()


@router.post(
    "/adjustments",
    response_model=wire.LedgerEntry,
    status_code=201,
    summary="Give to an account, or take from it",
    openapi_extra=own(UnknownCompany, UnknownPool, Overdrawn),
)
def adjust_ledger(body: wire.LedgerAdjust, call: AdminWrites) -> Response:
    """For admins, and never without `reason`. Of the period that it is now; where there is no budget nothing is limited,
    and what is given only stands there. No more is taken than is available.
    """

    def work(at: Admitted) -> answers.Answer:
        reason = call.why("two hours were lost on Monday", kept_in="the ledger")
        return answers.created(accounts.adjust(at.session, body, reason=reason, actor=at.actor, now=at.now))

    return call.write(work)
