"""Problems: every permanent code, so that a problem's `type` leads somewhere. Open to everybody."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from api import answers
from api.openapi import own
from api.strict import StrictRoute
from dure import errors, wire
from dure.errors import DureError, NotFound

router = APIRouter(prefix="/v1/problems", tags=["problems"], route_class=StrictRoute)


class ProblemKind(BaseModel):
    """What every problem of a code has in common."""

    model_config = ConfigDict(frozen=True)

    type: str
    code: str
    status: int
    title: str


@router.get("", response_model=wire.Page[ProblemKind], summary="List every problem code")
def list_problems() -> Response:
    """They are permanent: never renamed, never given another meaning. All of them are on one page."""
    items = sorted(errors.CODES.values(), key=lambda kind: (kind.status, kind.code))
    return answers.ok(wire.Page[ProblemKind](items=[_kind(found) for found in items])).response()


@router.get("/{code}", response_model=ProblemKind, summary="Show a problem code", openapi_extra=own(NotFound))
def show_problem(code: str) -> Response:
    """What a problem's `type` leads to."""
    found = errors.CODES.get(code)
    if found is None:
        raise NotFound(f"there is no problem code {code[:100]}; /v1/problems lists them")
    return answers.ok(_kind(found)).response()


def _kind(found: type[DureError]) -> ProblemKind:
    return ProblemKind(type=f"/v1/problems/{found.code}", code=found.code, status=found.status, title=found.title())
