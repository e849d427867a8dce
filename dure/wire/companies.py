"""Companies and their tokens."""

from typing import Self

from pydantic import model_validator

from dure.wire.values import CompanyName, Instant, Label, NodeName, Role, Wire


class CompanyCreate(Wire):
    name: CompanyName
    title: Label | None = None
    """The company's full name, for people."""


class Company(Wire):
    name: CompanyName
    title: str | None
    created_at: Instant
    closed_at: Instant | None = None
    """Since when it asks for nothing; its namespaces are removed a grace later. Null for one that is open."""


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
