"""Who does something: the holder of a token."""

from dataclasses import dataclass

from dure.wire import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A token's holder. `token` is its id, never its secret."""

    role: Role
    token: str
    company: str | None = None
    node: str | None = None

    def __str__(self) -> str:
        subject = self.company or self.node
        return f"{self.role}:{subject}:{self.token}" if subject else f"{self.role}:{self.token}"
