"""Quotas: what companies may hold of pools, at once and over time."""

from collections.abc import Callable, Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import Response

from api import answers
from api.calls import Admitted, Call
from api.deps import AdminWrites, Cursor, DryRun, Limit, PersonReads, StaffReads, after
from api.openapi import own
from api.strict import QuotasRoute
from dure import wire
from dure.errors import NotBeyond, UnknownCompany, UnknownPool, UnknownQuota
from scheduler import revoking
from scheduler.store import defaults, imports, quotas

router = APIRouter(tags=["companies"], route_class=QuotasRoute)

OF_COMPANY = "/v1/companies/{company}/quotas"

Revoke = Annotated[
    list[wire.Id],
    Query(max_length=1000, description="Promises to be taken back that are beyond the quota then, each by its id."),
]


@router.put(
    OF_COMPANY + "/{pool}",
    response_model=wire.Quota,
    summary="Set a quota",
    openapi_extra=own(UnknownCompany, UnknownPool, NotBeyond),
)
def set_quota(
    company: wire.CompanyName,
    pool: wire.PoolName,
    body: wire.QuotaSet,
    call: AdminWrites,
    *,
    revoke: Revoke = [],  # noqa: B006 - FastAPI copies it
    dry_run: DryRun = False,
) -> Response:
    """For admins. Promises that were given stay, also above a lowered quota: they are `beyond` it, and those of them that
    `revoke` names are taken back, which is never done without `reason`.
    """
    return _set(
        call,
        lambda at: quotas.put(at.session, company, pool, body, actor=at.actor, now=at.now),
        revoke,
        dry_run=dry_run,
    )


@router.patch(
    OF_COMPANY + "/{pool}",
    response_model=wire.Quota,
    summary="Change a quota",
    openapi_extra=own(UnknownCompany, UnknownPool, NotBeyond),
)
def change_quota(
    company: wire.CompanyName,
    pool: wire.PoolName,
    body: wire.QuotaPatch,
    call: AdminWrites,
    *,
    revoke: Revoke = [],  # noqa: B006 - FastAPI copies it
    dry_run: DryRun = False,
) -> Response:
    """For admins. What is left out stays as it is, null takes a limit away; else as setting it."""
    return _set(
        call,
        lambda at: quotas.patch(at.session, company, pool, body, actor=at.actor, now=at.now),
        revoke,
        dry_run=dry_run,
    )


@router.delete(
    OF_COMPANY + "/{pool}",
    response_model=wire.Quota,
    summary="Take a company's own quota away",
    openapi_extra=own(UnknownCompany, UnknownPool, UnknownQuota, NotBeyond),
)
def remove_quota(
    company: wire.CompanyName,
    pool: wire.PoolName,
    call: AdminWrites,
    *,
    revoke: Revoke = [],  # noqa: B006 - FastAPI copies it
    dry_run: DryRun = False,
) -> Response:
    """For admins. The pool's default is the company's from then on; without one the pool is closed to it. Else as setting it."""
    return _set(
        call, lambda at: quotas.remove(at.session, company, pool, actor=at.actor, now=at.now), revoke, dry_run=dry_run
    )


@router.get(
    OF_COMPANY,
    response_model=wire.Page[wire.Quota],
    summary="List a company's quotas",
    openapi_extra=own(UnknownCompany),
)
def list_quotas(company: wire.CompanyName, call: PersonReads, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """For admins, and for the company itself. By pool, with what is held and booked."""
    return call.read(lambda at: quotas.page(at.session, company, after=after(cursor), limit=limit, now=at.now))


@router.get("/v1/quotas", response_model=wire.Page[wire.QuotaOf], summary="List every quota")
def list_all_quotas(call: StaffReads, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """Not for companies. Defaults first, then companies' own by company and pool: what `PUT` takes again."""
    return call.read(lambda at: imports.page(at.session, after=after(cursor), limit=limit))


@router.put(
    "/v1/quotas",
    response_model=wire.QuotaImported,
    summary="Set many quotas",
    openapi_extra=own(UnknownCompany, UnknownPool, NotBeyond),
)
def set_quotas(
    body: wire.QuotaImport,
    call: AdminWrites,
    *,
    revoke: Revoke = [],  # noqa: B006 - FastAPI copies it
    dry_run: DryRun = False,
) -> Response:
    """For admins. All are set or none is; one without a company is the pool's default. Who is not in the list keeps what
    there is.
    """

    def work(at: Admitted) -> wire.QuotaImported:
        changes, of = imports.put(at.session, body, actor=at.actor, now=at.now)
        revoked = revoking.revoke(at.session, revoke, of, actor=at.actor, now=at.now)
        return wire.QuotaImported(changes=changes, same=len(body.quotas) - len(changes), revoked=revoked)

    return _done(call, work, revoke, dry_run=dry_run)


@router.delete(
    "/v1/quotas/{pool}",
    response_model=wire.QuotaOf,
    summary="Take a pool's default away",
    openapi_extra=own(UnknownPool, UnknownQuota),
)
def remove_default(pool: wire.PoolName, call: AdminWrites) -> Response:
    """For admins. The pool is closed to everybody who followed it; the answer is what it was."""
    return call.write(lambda at: answers.ok(defaults.remove(at.session, pool, actor=at.actor, now=at.now)))


def _set(call: Call, change: Callable[[Admitted], wire.Quota], revoke: Sequence[str], *, dry_run: bool) -> Response:
    def work(at: Admitted) -> wire.Quota:
        found = change(at)
        revoked = revoking.revoke(at.session, revoke, {found.pool: [found.company]}, actor=at.actor, now=at.now)
        if not revoked:
            return found
        found = quotas.get(at.session, found.company, found.pool, now=at.now)
        return found.model_copy(update={"revoked": revoked})

    return _done(call, work, revoke, dry_run=dry_run)


def _done(call: Call, work: Callable[[Admitted], BaseModel], revoke: Sequence[str], *, dry_run: bool) -> Response:
    """What became of it. Promises are taken back for a reason that is said, or not at all."""
    if dry_run:
        return call.rehearse(work)

    def with_reason(at: Admitted) -> answers.Answer:
        if revoke:
            call.why("the pool is smaller from Monday on")
        return answers.ok(work(at))

    return call.write(with_reason)
