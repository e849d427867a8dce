"""For probes and scrapes, without a token."""

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from api import answers, parts
from api.openapi import own
from api.strict import StrictRoute
from dure.errors import Unavailable

router = APIRouter(tags=["health"], route_class=StrictRoute)


EXAMPLE = """\
dure_api_requests_total{method="POST",route="/v1/leases",status="201"} 42.0
dure_decisions_total{code="starts_now",outcome="scheduled",pool="h100"} 42.0
"""
SERIES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}, "examples": {"two series": {"value": EXAMPLE}}}}}
}


class Health(BaseModel):
    status: Literal["up", "ready"]


# Async, so that it answers while every thread waits for the database.
@router.get("/healthz", response_model=Health, summary="Is the process up?")
async def healthz() -> Response:
    """Asks nothing of the database."""
    return answers.ok(Health(status="up")).response()


@router.get("/readyz", response_model=Health, summary="Can requests be served?", openapi_extra=own(Unavailable))
def readyz(request: Request) -> Response:
    """The database answers, and has the schema that this code needs."""
    parts.of(request).db.check()
    return answers.ok(Health(status="ready")).response()


@router.get("/metrics", response_class=Response, responses=SERIES, summary="Metrics")
async def metrics(request: Request) -> Response:
    """This replica's requests, for Prometheus."""
    body, content_type = parts.of(request).metrics.render(request.headers.get("accept", ""))
    return Response(body, headers={"content-type": content_type})
