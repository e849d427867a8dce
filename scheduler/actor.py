"""Who does something: the holder of a token."""

from dataclasses import dataclass

from dure.wire import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A token's holder. `token` is its id, never its secret; where `cluster` is said, that cluster vouches for who holds it.

    `first_use`: it is a node's own credential, and none knows yet that it arrived.
    """

    role: Role
    token: str
    company: str | None = None
    node: str | None = None
    cluster: str | None = None
    first_use: bool = False

    def __str__(self) -> str:
        subject = self.company or self.node
        return f"{self.role}:{subject}:{self.token}" if subject else f"{self.role}:{self.token}"
