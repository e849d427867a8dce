"""Nodes for which their cluster vouches: the agent's own token of the cluster instead of one of ours."""

from dure.errors import DureError, TokenInvalid
from dure.wire import Role
from scheduler.actor import Actor
from scheduler.clock import Clock
from scheduler.kube.reviews import Reviews, is_jwt
from scheduler.store import vouched
from scheduler.store.db import Database


class Vouching:
    """`enrols`: a node that is not known is enrolled by the first token that its cluster vouches for."""

    def __init__(self, db: Database, clock: Clock, reviews: Reviews, *, enrols: bool = True) -> None:
        self._db, self._clock, self._reviews, self._enrols = db, clock, reviews, enrols

    def reviewed(self, secret: str) -> Actor | DureError | None:
        """Who holds this secret, or what they are told; None for one that is no token of a cluster.

        It may ask clusters and writes in a transaction of its own: call it outside of any. Raises Unavailable.
        """
        if not is_jwt(secret):
            return None
        if not self._reviews.has_clusters:
            return TokenInvalid(
                "this is a cluster's token, and this server is told of no cluster that could say whose: name it in "
                "DURE_API_CLUSTERS, or let the agent join with `dure node join-token`"
            )
        found = self._reviews.of(secret, self._clock.now())
        if isinstance(found, DureError):
            return found
        actor = Actor(role=Role.NODE, token=f"{found.cluster}/{found.pod}", node=found.node, cluster=found.cluster)
        if not found.is_settled:
            with self._db.begin() as session:
                refused = vouched.settle(session, actor, enrols=self._enrols, now=self._clock.now())
            if refused is not None:
                return refused
            found.is_settled = True
        return actor
