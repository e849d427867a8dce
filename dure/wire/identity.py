"""How a node's agent says who it is: a join token is used once, and what it makes is renewed by the agent itself."""

from typing import Annotated, Literal

from pydantic import Field

from dure.wire.values import Instant, NodeName, Wire

LONGEST_JOIN_S = 30 * 86_400


class JoinTokenIssue(Wire):
    """A join token to be made."""

    lasts_s: Annotated[int, Field(ge=60, le=LONGEST_JOIN_S)] = 3600
    """For so long it can be used, and once."""


class CredentialProposal(Wire):
    """A secret that the agent made up and keeps to itself: what is sent is its hash, so an answer that is lost loses nothing.

    Sent again it is answered as it was.
    """

    secret_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the secret, in hexadecimal; the secret is `dure_` and 43 characters of chance."""


class NodeCredential(Wire):
    """The proposed secret is the node's credential now."""

    token: str
    """Its id, as `dure token list` shows it."""
    node: NodeName
    expires_at: Instant
    lasts_s: int
    """From this answer on, whatever the node's own clock says. At half of it the agent asks for the next one."""


class NodeIdentity(Wire):
    """How a node's agent says who it is."""

    by: Literal["token", "credential", "cluster"]
    """A token that an admin made and renews; a credential that the agent renews itself; or what its cluster says of it."""
    token: str | None = None
    """The id of the token or credential that is used, or was used last."""
    ends_at: Instant | None = None
    """When that ends; null where it does not, or where it is the cluster's own."""
    cluster: str | None = None
