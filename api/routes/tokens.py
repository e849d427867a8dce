"""Bearer tokens: who may ask."""

from fastapi import APIRouter
from starlette.responses import Response

from api import answers
from api.deps import AdminWrites, Cursor, Limit, StaffReads, after
from api.openapi import own
from api.strict import StrictRoute
from dure import wire
from dure.errors import UnknownCompany, UnknownNode, UnknownToken
from scheduler.store import tokens

router = APIRouter(prefix="/v1/tokens", tags=["tokens"], route_class=StrictRoute)


@router.post(
    "",
    status_code=201,
    response_model=wire.IssuedToken,
    summary="Issue a token",
    openapi_extra=own(UnknownCompany, UnknownNode),
)
def issue_token(body: wire.TokenIssue, call: AdminWrites) -> Response:
    """For admins. The secret is in this answer and is never shown again."""
    return call.write(lambda at: answers.created(tokens.issue(at.session, body, actor=at.actor, now=at.now)))


@router.get("", response_model=wire.Page[wire.Token], summary="List tokens")
def list_tokens(call: StaffReads, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """For admins. Oldest first, revoked ones too, secrets never."""
    return call.read(lambda at: tokens.page(at.session, after=after(cursor), limit=limit))


@router.delete("/{token}", response_model=wire.Token, summary="Revoke a token", openapi_extra=own(UnknownToken))
def revoke_token(token: wire.Id, call: AdminWrites) -> Response:
    """For admins. It serves no request from now on; revoking it again changes nothing."""
    return call.write(lambda at: answers.ok(tokens.revoke(at.session, token, actor=at.actor, now=at.now)))
