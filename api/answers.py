"""What a route answers: a status and a body, already JSON, so that it is rendered once and can be kept."""

from dataclasses import dataclass

from pydantic import BaseModel
from starlette.responses import Response

from dure import errors, wire

JSON = "application/json"
CSV = "text/csv"
PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`decided` is the lease whose ask was decided by this answer, to be counted once it is committed, and `took_s` how long that took."""

    status: int
    body: bytes
    replayed: bool = False
    decided: wire.Lease | None = None
    took_s: float = 0.0

    def response(self) -> Response:
        headers = {"Idempotency-Replayed": "true"} if self.replayed else None
        media_type = JSON if self.status < 400 else PROBLEM
        return Response(self.body, self.status, headers=headers, media_type=media_type)


def ok(body: BaseModel) -> Answer:
    return Answer(status=200, body=_json(body))


def amended(found: BaseModel | errors.DureError, request_id: str) -> Answer:
    """What became of a change; or the problem of one that was refused, which is committed as a decision all the same."""
    if isinstance(found, errors.DureError):
        return Answer(status=found.status, body=problem(found, request_id))
    return ok(found)


def created(body: BaseModel) -> Answer:
    return Answer(status=201, body=_json(body))


def decided(lease: wire.Lease, request_id: str) -> Answer:
    """An ask's answer: 201 scheduled, 202 queued, or a 409 problem with the decision and the refused lease's id."""
    if lease.state is not wire.LeaseState.REFUSED:
        status = 201 if lease.state is wire.LeaseState.SCHEDULED else 202
        return Answer(status=status, body=_json(lease), decided=lease)
    kind = errors.CODES.get(lease.decision.code, errors.Refused)
    numbers = lease.decision.numbers
    refusal = kind(lease.decision.detail, numbers=numbers, decision=lease.decision, lease=lease.id)
    return Answer(status=refusal.status, body=problem(refusal, request_id), decided=lease)


def problem(error: errors.DureError, request_id: str | None) -> bytes:
    """RFC 9457's JSON, without what there is nothing to say of."""
    return error.problem(request_id).model_dump_json(exclude_defaults=True).encode()


def _json(body: BaseModel) -> bytes:
    return body.model_dump_json().encode()
