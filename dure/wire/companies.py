"""Companies and their tokens."""

from typing import Literal, Self

from pydantic import model_validator

from dure.wire.values import CompanyName, Instant, Label, NodeName, Patch, Role, Wire

PodSecurity = Literal["baseline", "restricted"]


class CompanyCreate(Wire):
    name: CompanyName
    title: Label | None = None
    """The company's full name, for people."""
    pod_security: PodSecurity = "baseline"
    """The Pod Security level that its namespaces enforce; of `restricted`, which most images do not meet, all are warned."""


class CompanyChange(Patch):
    """What to change of a company. What is left out stays; null takes the title away."""

    title: Label | None = None
    pod_security: PodSecurity | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set or ("pod_security" in self.model_fields_set and self.pod_security is None):
            raise ValueError('say what to change: title, or pod_security, for example "restricted"')
        return self


class Company(Wire):
    name: CompanyName
    title: str | None
    pod_security: PodSecurity = "baseline"
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
        if self.role is Role.JOIN:
            raise ValueError("a join token is made for its node: `dure node join-token NODE`")
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
    used_at: Instant | None = None
    """When a join token was used, which is over with it, or a node's own credential for the first time."""
    replaced_at: Instant | None = None
    """When the next credential of its node was first used; it ends then."""


class IssuedToken(Wire):
    """The only answer that ever carries the secret; it is stored hashed."""

    token: Token
    secret: str
