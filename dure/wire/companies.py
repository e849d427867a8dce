"""Companies, their quotas and tokens."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from dure.wire.values import MAX_GPUS, CompanyName, Instant, Label, NodeName, PoolName, Role, Wire


class CompanyCreate(Wire):
    name: CompanyName
    title: Label | None = None
    """The company's full name, for people."""


class Company(Wire):
    name: CompanyName
    title: str | None
    created_at: Instant


class QuotaSet(Wire):
    """What a company may hold in a pool. `gpus` is concurrent and holds at every instant; 0 closes the pool to it."""

    gpus: Annotated[int, Field(ge=0, le=MAX_GPUS, strict=True)]


class Quota(Wire):
    company: CompanyName
    pool: PoolName
    gpus: int
    held_gpus: int
    """Held by active leases now."""
    booked_gpus: int
    """The most that active and scheduled leases hold together at any instant."""


class TokenIssue(Wire):
    """A bearer token to be made: `company` for role company, `node` for role node, neither for the others."""

    role: Role
    company: CompanyName | None = None
    node: NodeName | None = None
    label: Label | None = None
    expires_at: Instant | None = None

    @model_validator(mode="after")
    def _subject(self) -> Self:
        wanted = {Role.COMPANY: (True, False), Role.NODE: (False, True)}.get(self.role, (False, False))
        if (self.company is not None, self.node is not None) != wanted:
            raise ValueError('role company needs "company", role node needs "node", the other roles take neither')
        return self


class Token(Wire):
    """A token as it is listed: never the secret itself."""

    id: str
    role: Role
    company: CompanyName | None
    node: NodeName | None
    label: str | None
    created_at: Instant
    expires_at: Instant | None
    revoked_at: Instant | None


class IssuedToken(Wire):
    """The only answer that ever carries the secret; it is stored hashed."""

    token: Token
    secret: str
