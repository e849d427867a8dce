"""RFC 9457 problems: how every error is answered."""

from pydantic import BaseModel, ConfigDict

from dure.wire.leases import Decision
from dure.wire.offers import Offer


class FieldError(BaseModel):
    """One field that is wrong, why, and what would be right."""

    model_config = ConfigDict(frozen=True)

    field: str
    message: str


class Problem(BaseModel):
    """`application/problem+json`. `code` is permanent; `detail` is for a person and says what to do next."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None = None
    errors: list[FieldError] = []
    numbers: dict[str, int | str] = {}
    decision: Decision | None = None
    offers: list[Offer] = []
    """Fresh offers, for a claim that came too late."""
    lease: str | None = None
