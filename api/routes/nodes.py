"""Nodes: enrolled by an admin, known through their agents' reports."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import answers
from api.deps import AdminWrites, Cursor, DryRun, Limit, NodeReports, OperatorWrites, StaffReads, after
from api.openapi import own
from api.reporting import ReportRoute
from api.strict import StrictRoute
from dure import wire
from dure.errors import (
    AlreadyExists,
    BeyondHorizon,
    ClusterAway,
    ClusterRefused,
    GpuClaimed,
    Malformed,
    NotDrained,
    SecondAgent,
    StaleReport,
    TokenReplaced,
    TooLarge,
    TooMany,
    UnknownNode,
    UnsupportedMediaType,
    WrongNode,
)
from scheduler import decoding, labels, maintenance
from scheduler.store import node_events, nodes

router = APIRouter(prefix="/v1/nodes", tags=["nodes"], route_class=StrictRoute)
reports = APIRouter(prefix="/v1/nodes", tags=["nodes"], route_class=ReportRoute)

Renew = Annotated[bool, Query(description="For an enrolled node: revoke its tokens and make a new one.")]


@router.post(
    "", status_code=201, response_model=wire.IssuedToken, summary="Enrol a node", openapi_extra=own(AlreadyExists)
)
def enroll_node(body: wire.NodeEnroll, call: AdminWrites, renew: Renew = False) -> Response:
    """For admins. Makes the node and its agent's token; the secret is in this answer and is never shown again."""
    return call.write(
        lambda at: answers.created(nodes.enroll(at.session, body, actor=at.actor, now=at.now, renew=renew))
    )


@router.get("", response_model=wire.Page[wire.Node], summary="List nodes")
def list_nodes(call: StaffReads, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """For admins. By name, each with its GPUs as they were last reported."""
    return call.read(lambda at: nodes.page(at.session, after=after(cursor), limit=limit, now=at.now))


@router.get("/{node}", response_model=wire.Node, summary="Show a node", openapi_extra=own(UnknownNode))
def show_node(node: wire.NodeName, call: StaffReads) -> Response:
    """For admins. Its GPUs as they were last reported, and how long it has been silent."""
    return call.read(lambda at: nodes.get(at.session, node, now=at.now))


@router.get(
    "/{node}/events",
    response_model=wire.Page[wire.KeptEvent],
    summary="What happened on a node",
    openapi_extra=own(UnknownNode),
)
def list_node_events(node: wire.NodeName, call: StaffReads, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """For admins. XIDs, changes of health and devices, violations and proofs of empty, as its agent told them; the newest first."""
    return call.read(lambda at: node_events.page(at.session, node, after=after(cursor), limit=limit))


@router.post(
    "/{node}/drain",
    response_model=wire.Drained,
    summary="Take a node out of service for a while",
    openapi_extra=own(UnknownNode, BeyondHorizon, TooMany),
)
def drain_node(node: wire.NodeName, body: wire.DrainNode, call: OperatorWrites, dry_run: DryRun = False) -> Response:
    """For admins. What is scheduled on it then is placed elsewhere at once, later only where nothing else is left; what
    runs goes on to its end. The answer says whom it touches. A drain over a time that one takes already, for the same
    reason or with none said, is that one (`already`), and so is the same again from now on within a minute.
    """
    if dry_run:
        return call.read(lambda at: maintenance.preview_drain(at.service, at.session, node, body, now=at.now))
    return call.write(
        lambda at: answers.ok(maintenance.drain(at.service, at.session, node, body, actor=at.actor, now=at.now))
    )


@router.post(
    "/{node}/resume",
    response_model=wire.Drained,
    summary="Give a drained node back",
    openapi_extra=own(UnknownNode, NotDrained),
)
def resume_node(node: wire.NodeName, call: OperatorWrites, dry_run: DryRun = False) -> Response:
    """For admins. Every drain of it that is not over ends now, and one that has not begun never does. What waits is
    planned again, and the answer says what that changed.
    """
    if dry_run:
        return call.read(lambda at: maintenance.preview_resume(at.service, at.session, node, now=at.now))
    return call.write(
        lambda at: answers.ok(maintenance.resume(at.service, at.session, node, actor=at.actor, now=at.now))
    )


@router.patch(
    "/{node}/labels", response_model=wire.Node, summary="Say where a node stands", openapi_extra=own(UnknownNode)
)
def label_node(node: wire.NodeName, body: wire.NodeLabels, call: OperatorWrites) -> Response:
    """For admins. What is left out stays. Gangs for training are kept on one island or in one rack, inference is spread over them."""
    return call.write(lambda at: answers.ok(labels.label(at.session, node, body, actor=at.actor, now=at.now)))


@reports.post(
    "/{node}/reports",
    response_model=wire.ReportAnswer,
    summary="Report a node's GPUs",
    openapi_extra=own(
        TokenReplaced,
        WrongNode,
        UnknownNode,
        StaleReport,
        SecondAgent,
        GpuClaimed,
        Malformed,
        TooLarge,
        UnsupportedMediaType,
        ClusterRefused,
        ClusterAway,
    ),
)
async def report_node(node: wire.NodeName, body: wire.Report, call: NodeReports) -> Response:
    """For the node's own agent, which learns from the answer what its GPUs are leased to, and nowhere else.

    At most 1 MiB, and 256 KiB as it is sent; `Content-Encoding: gzip` is taken. The same report again changes nothing.
    """
    answer = await call.parts.intake.take(node, decoding.of_wire(body), call.request)
    return Response(answer, media_type=answers.JSON)
