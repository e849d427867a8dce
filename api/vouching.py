"""Nodes for which their cluster vouches: the agent's own token of the cluster instead of one of ours."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from types import TracebackType
from typing import Self

from dure.errors import ClusterAway, DureError, TokenInvalid
from dure.wire import Role
from scheduler.actor import Actor
from scheduler.clock import Clock
from scheduler.kube.reviews import Reviewed, Reviews, is_jwt
from scheduler.store import vouched
from scheduler.store.db import Database

AT_ONCE = 8
"""Reports' tokens that are looked into at once, on threads of their own, and as many of other requests, each on its own thread:
whoever makes tokens up keeps nobody else waiting.
"""

WAIT_S = 10.0
"""For its turn and its answer, of a report's."""

COME_AGAIN_S = 5


class Vouching:
    """`enrols`: a node that is not known is enrolled by the first token that its cluster vouches for."""

    def __init__(self, db: Database, clock: Clock, reviews: Reviews, *, enrols: bool = True) -> None:
        self._db, self._clock, self._reviews, self._enrols = db, clock, reviews, enrols
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="vouching")
        self._room = BoundedSemaphore(AT_ONCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(cancel_futures=True)
        self._reviews.close()

    async def heard(self, secret: str) -> Actor | DureError | None:
        """As `reviewed`, for an event loop."""
        found = self._known(secret)
        if found is not None or not is_jwt(secret):
            return found
        try:
            async with asyncio.timeout(WAIT_S):
                return await asyncio.get_running_loop().run_in_executor(self._threads, self._asked, secret)
        except TimeoutError:
            return self._full(secret)

    def reviewed(self, secret: str) -> Actor | DureError | None:
        """Who holds this secret, or what they are told; None for one that is no token of a cluster.

        It may ask clusters and writes in a transaction of its own: call it outside of any. Raises Unavailable.
        """
        found = self._known(secret)
        if found is not None or not is_jwt(secret):
            return found
        if not self._room.acquire(blocking=False):
            return self._full(secret)
        try:
            return self._asked(secret)
        finally:
            self._room.release()

    def _known(self, secret: str) -> Actor | DureError | None:
        """What is said at once; None where a cluster has to be asked, or none can be."""
        if not is_jwt(secret):
            return None
        if not self._reviews.has_clusters:
            return TokenInvalid(
                "this is a cluster's token, and this server is told of no cluster that could say whose: name it in "
                "DURE_API_CLUSTERS, or let the agent join with `dure node join-token`"
            )
        found = self._reviews.kept(secret, self._clock.now())
        if isinstance(found, Reviewed):
            return _actor(found) if found.is_settled else None
        return found

    def _full(self, secret: str) -> Actor | DureError:
        """Those that were known go on for a while, as when their cluster is away."""
        found = self._reviews.kept(secret, self._clock.now(), is_stale_good=True)
        if isinstance(found, Reviewed) and found.is_settled:
            return _actor(found)
        said = "too many tokens of clusters are looked into at this moment; it is tried again"
        return ClusterAway(said, retry_after_s=COME_AGAIN_S)

    def _asked(self, secret: str) -> Actor | DureError:
        found = self._reviews.of(secret, self._clock.now())
        if isinstance(found, DureError):
            return found
        actor = _actor(found)
        if not found.is_settled:
            with self._db.begin() as session:
                refused = vouched.settle(session, actor, enrols=self._enrols, now=self._clock.now())
            if refused is not None:
                return refused
            found.is_settled = True
        return actor


def _actor(found: Reviewed) -> Actor:
    return Actor(role=Role.NODE, token=f"{found.cluster}/{found.pod}", node=found.node, cluster=found.cluster)
