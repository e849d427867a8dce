"""The same request twice gets the same answer: claim, work and answer are one transaction, or none of them happened."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from api.answers import Answer
from dure.errors import InvalidRequest
from dure.wire import FieldError
from scheduler.store import idempotency
from scheduler.store.db import Session

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """`key` is the client's word for this request, `principal` the token that sent it, `secret` the token itself."""

    principal: str
    secret: str
    key: str
    fingerprint: str
    now: float


def once(session: Session, claim: Claim, work: Callable[[], Answer]) -> Answer:
    """The answer of `work`, kept; or the kept one of the same request, without working again.

    Refusals are answers and are kept. What `work` raises is not: the transaction ends, and the key is free again.
    Raises InvalidRequest for a key of another form, IdempotencyKeyReused.
    """
    check(claim.key)
    stored = idempotency.claim(
        session, principal=claim.principal, key=claim.key, fingerprint=claim.fingerprint, now=claim.now
    )
    if stored is not None:
        return Answer(status=stored.status, body=sealed(stored.body, claim), replayed=True)
    answer = work()
    body = sealed(answer.body, claim)
    idempotency.keep(session, principal=claim.principal, key=claim.key, status=answer.status, body=body)
    return answer


def check(key: str) -> None:
    """Raises InvalidRequest for a key of another form."""
    if not _KEY.fullmatch(key):
        message = "takes 1 to 255 visible ASCII characters, for example a UUID"
        raise InvalidRequest(f"{HEADER} {message}", errors=[FieldError(field=HEADER, message=message)])


def sealed(body: bytes, claim: Claim) -> bytes:
    """An answer may hold a new token's secret, and secrets are kept as hashes alone: so it is kept unreadable.

    It is mixed with a stream that only the token that asked can make again; the same call unseals. No stream is used
    for two answers, as a key that is kept has one answer.
    """
    seed = f"dure idempotent answer\n{claim.secret}\n{claim.principal}\n{claim.key}".encode()
    stream = hashlib.shake_256(seed).digest(len(body))
    return (int.from_bytes(body) ^ int.from_bytes(stream)).to_bytes(len(body))
