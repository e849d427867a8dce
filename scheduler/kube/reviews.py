"""Agents' tokens of their clusters, which the clusters' API servers are asked about (TokenReview): who, and on which node.

What was answered is kept for a minute, and for a few more as long as the API server is away. Nobody gets in unreviewed.
"""

import base64
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, Any

import structlog

from dure.errors import ClusterAway, ClusterRefused, DureError, Forbidden, TokenExpired, TokenInvalid
from scheduler.kube.clusters import ClusterAddress

if TYPE_CHECKING:
    from scheduler.kube.connection import Connection

log = structlog.get_logger()

AUDIENCE = "dure"
AGENT = "system:serviceaccount:dure-agents:dure-agent"
"""The ServiceAccount of the chart's agents, as the API server calls it."""

PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
NODE, POD = "authentication.kubernetes.io/node-name", "authentication.kubernetes.io/pod-name"

FRESH_S, STALE_S, REFUSED_S = 60.0, 300.0, 10.0
"""How long an answer stands, how long a good one stands while the API server is away, and how long a refusal stands."""

KEPT = 10_000
"""Good answers that are kept, and so many refusals: a fleet of several thousand agents, each with the token of before and the
present one."""

AT_ONCE = 8
"""Reviews at once in each cluster, so that made-up tokens take neither all our threads nor the API server."""

TIMEOUT_S, RETRY_S, LONGEST_WAIT_S = 5.0, 5, 30
WAIT_S = 1.0
"""For room among the reviews of this moment."""

LONGEST = 16_384


@dataclass(slots=True, kw_only=True)
class Reviewed:
    """Whom a cluster vouches for. `is_settled` is for who asks: the node is known to be enrolled as long as this answer stands."""

    cluster: str
    node: str
    pod: str
    is_settled: bool = False


Verdict = Reviewed | DureError


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    verdict: Verdict
    at: float


def is_jwt(secret: str) -> bool:
    """Whether it has the three parts of one; no token of ours has a dot."""
    parts = secret.split(".")
    return len(secret) <= LONGEST and len(parts) == 3 and all(parts)


class Reviews:
    """One a process, for all its threads. Connections are made when they are first needed."""

    def __init__(self, addresses: Sequence[ClusterAddress], *, agent: str = AGENT) -> None:
        self._agent = agent
        self._doors = [_Door(address=one) for one in addresses]
        # Apart, so that refusals of made-up tokens push no good answer out.
        self._good: OrderedDict[str, _Kept] = OrderedDict()
        self._refused: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = Lock()

    @property
    def has_clusters(self) -> bool:
        return bool(self._doors)

    def kept(self, token: str, now: float, *, is_stale_good: bool = False) -> Verdict | None:
        """What can be said without asking anybody, or None. It waits for nothing."""
        return _hopeless(_claims(token), now) or self._found(_key(token), now, STALE_S if is_stale_good else FRESH_S)

    def of(self, token: str, now: float) -> Verdict:
        """Whom one of the clusters vouches for, or what the holder is told. `now` in Unix seconds."""
        kept = self.kept(token, now)
        if kept is not None:
            return kept
        key = _key(token)
        verdict = self._asked(token)
        if isinstance(verdict, ClusterAway):
            return self._found(key, now, STALE_S) or verdict
        return self._keep(key, verdict, now)

    def close(self) -> None:
        for door in self._doors:
            door.close()

    def _found(self, key: str, now: float, within_s: float) -> Verdict | None:
        with self._lock:
            kept = self._good.get(key) or self._refused.get(key)
        if kept is None:
            return None
        is_good = isinstance(kept.verdict, Reviewed)
        return kept.verdict if 0 <= now - kept.at < (within_s if is_good else REFUSED_S) else None

    def _keep(self, key: str, verdict: Verdict, now: float) -> Verdict:
        mine, other = self._refused, self._good
        if isinstance(verdict, Reviewed):
            mine, other = other, mine
        with self._lock:
            other.pop(key, None)
            mine[key] = _Kept(verdict=verdict, at=now)
            mine.move_to_end(key)
            while len(mine) > KEPT:
                mine.popitem(last=False)
        return verdict

    def _asked(self, token: str) -> Verdict:
        """The first cluster that knows the token decides. One that cannot be asked may be the one, so nobody is turned away for good."""
        refusals: list[DureError] = []
        for door in self._doors:
            found = door.review(token, self._agent)
            if isinstance(found, Reviewed | Forbidden):
                return found
            refusals.append(found)
        order = (ClusterAway, ClusterRefused, TokenInvalid)
        return min(refusals, key=lambda one: next(rank for rank, kind in enumerate(order) if isinstance(one, kind)))


@dataclass(slots=True, kw_only=True)
class _Door:
    """One cluster's, so that one that hangs keeps nobody from the others. `away_until` is monotonic."""

    address: ClusterAddress
    room: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(AT_ONCE))
    away_until: float = 0.0
    _lock: Lock = field(default_factory=Lock)
    _open: "Connection | None" = None

    def review(self, token: str, agent: str) -> Verdict:
        name = self.address.name
        if time.monotonic() < self.away_until or not self.room.acquire(timeout=WAIT_S):
            said = f"cluster {name} cannot be asked about this agent's token at this moment; it is tried again"
            return ClusterAway(said, retry_after_s=RETRY_S)
        try:
            return self._asked(token, agent)
        finally:
            self.room.release()

    def _asked(self, token: str, agent: str) -> Verdict:
        # The client is slow to import, and many an API is told of no cluster.
        from scheduler.kube.connection import Away, Refused
        from scheduler.kube.credentials import Misconfigured

        name = self.address.name
        try:
            status = self._connection().create(PATH, _review(token))["status"]
            return _verdict(name, status, agent)
        except Away as error:
            return self._away(f"does not answer: {error}", error.retry_after_s)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return self._away(f"answered without a review: {error}", None)
        except (Refused, Misconfigured) as error:
            log.warning("a cluster reviews no tokens", action="review.refused", cluster=name, detail=str(error))
            said = (
                f"cluster {name} does not review agents' tokens for Dure ({error}); `dure doctor` names what is missing"
            )
            return ClusterRefused(said)

    def _away(self, why: str, retry_after_s: float | None) -> ClusterAway:
        wait = RETRY_S if retry_after_s is None else max(1, int(retry_after_s))
        self.away_until = time.monotonic() + min(wait, LONGEST_WAIT_S)
        log.warning("a cluster reviews no tokens now", action="review.away", cluster=self.address.name, detail=why)
        return ClusterAway(f"cluster {self.address.name} reviews no tokens now: it {why}", retry_after_s=wait)

    def _connection(self) -> "Connection":
        from scheduler.kube.connection import Connection

        with self._lock:
            if self._open is None:
                self._open = Connection(self.address, timeout_s=TIMEOUT_S)
            return self._open

    def close(self) -> None:
        if self._open is not None:
            self._open.close()


def _key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _review(token: str) -> dict[str, Any]:
    spec = {"token": token, "audiences": [AUDIENCE]}
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}


def _verdict(cluster: str, status: Mapping[str, Any], agent: str) -> Verdict:
    """Of one cluster's answer. What has another shape than the API's raises KeyError, TypeError or AttributeError."""
    if not status.get("authenticated", False):
        return TokenInvalid(
            f"no cluster knows this token (cluster {cluster}: {str(status.get('error') or 'not authenticated')[:200]}); the kubelet "
            "gives an agent's pod another by itself, so see that the agent reads the file that it keeps, and that its cluster is in "
            "DURE_API_CLUSTERS"
        )
    if AUDIENCE not in status.get("audiences", ()):
        return TokenInvalid(f"this token is not for Dure: the audience of an agent's token is {AUDIENCE}")
    user = status["user"]
    if user["username"] != agent:
        return Forbidden(
            f"this token is {str(user['username'])[:200]}'s, and agents are {agent} (DURE_API_AGENT_ACCOUNT)"
        )
    extra = user.get("extra") or {}
    node = (extra.get(NODE) or [None])[0]
    if node is None:
        return Forbidden("this token is of no pod on a node; an agent's is projected into its pod by the kubelet")
    return Reviewed(cluster=cluster, node=str(node), pod=str((extra.get(POD) or ["?"])[0]))


def _claims(token: str) -> Mapping[str, Any]:
    """What the token says of itself, which nobody has checked; nothing where it cannot be read."""
    middle = token.split(".")[1]
    try:
        found = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _hopeless(claims: Mapping[str, Any], now: float) -> DureError | None:
    """What no cluster needs to be asked about, as no checking could make it better."""
    until, audience = claims.get("exp"), claims.get("aud")
    if isinstance(until, bool) or not isinstance(until, int | float):
        return TokenInvalid("this is no token of a cluster's ServiceAccount: it does not say when it ends")
    if AUDIENCE not in (audience if isinstance(audience, list) else [audience]):
        return TokenInvalid(f"this token is not for Dure: the audience of an agent's token is {AUDIENCE}")
    if until <= now:
        return TokenExpired(
            "this token of the cluster has expired; the kubelet renews the file in the agent's pod, so see that the agent reads it again"
        )
    return None
