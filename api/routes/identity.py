"""How the agents of nodes come to their credentials."""

from fastapi import APIRouter
from starlette.responses import Response

from api import answers
from api.deps import AdminWrites, NodeJoins, NodeReports
from api.openapi import own
from api.strict import StrictRoute
from dure import wire
from dure.errors import AlreadyExists, JoinTokenUsed, NotRotating, TokenReplaced, WrongNode
from scheduler.store import credentials, join_tokens

router = APIRouter(prefix="/v1/nodes", tags=["nodes"], route_class=StrictRoute)


@router.post(
    "/{node}/join-tokens",
    status_code=201,
    response_model=wire.IssuedToken,
    summary="Let a node's agent join",
)
def make_join_token(node: wire.NodeName, body: wire.JoinTokenIssue, call: AdminWrites) -> Response:
    """For admins. Makes the node if there is none, and a token that its agent uses once; one that was not used yet ends. The
    secret is in this answer and is never shown again.
    """
    return call.write(lambda at: answers.created(join_tokens.issue(at.session, node, body, actor=at.actor, now=at.now)))


@router.post(
    "/{node}/join",
    response_model=wire.NodeCredential,
    summary="Join, with a join token",
    openapi_extra=own(WrongNode, JoinTokenUsed, AlreadyExists),
)
def join_node(node: wire.NodeName, body: wire.CredentialProposal, call: NodeJoins) -> Response:
    """For the node's own agent, once for each join token: the secret that it made up becomes its credential, and every other
    token of the node ends. The same request again is answered as it was.
    """
    return call.write(lambda at: answers.ok(join_tokens.use(at.session, node, body, actor=at.actor, now=at.now)))


@router.post(
    "/{node}/credential",
    response_model=wire.NodeCredential,
    summary="Renew a node's own credential",
    openapi_extra=own(WrongNode, TokenReplaced, NotRotating, AlreadyExists),
)
def renew_credential(node: wire.NodeName, body: wire.CredentialProposal, call: NodeReports) -> Response:
    """For the node's own agent, with the credential that it has, which is taken until five minutes after the next one was first
    used. The same request again is answered as it was.
    """
    return call.write(lambda at: answers.ok(credentials.rotate(at.session, node, body, actor=at.actor, now=at.now)))
