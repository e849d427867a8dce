"""Keys to companies' namespaces: tokens that soon expire, made in a cluster by the API's own account.

The reconciler makes and takes away the accounts that they are of, and makes no key itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING

from dure import kube
from dure.errors import ClusterAway, ClusterRefused, KeyNotMade, UnknownCluster
from scheduler.kube import instants
from scheduler.kube.clusters import ClusterAddress

if TYPE_CHECKING:
    from scheduler.kube.connection import Connection

SHORTEST_S = 600
"""No API server makes a token that lives shorter."""

LONGEST_S = 30 * 86_400
"""The longest life of a key, for what cannot ask for a new one, where no other is set."""

AT_ONCE, IN_ALL = 8, 24
"""Keys that are made at once in one cluster, and in all of them together as long as there are no more clusters than that: well
below the 40 threads that answer requests, as each may wait for seconds.
"""

TIMEOUT_S = 5.0
RETRY_S = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """`expires_at` in Unix seconds."""

    token: str
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The API server as people reach it; `authority` is its certificate's, PEM."""

    url: str
    authority: str | None


class Keys:
    """One a process, for all its threads. Connections are made when they are first needed.

    `urls` are the addresses by which people reach clusters, where these are others than ours. No key lives for more than
    `longest_s`, which is no more than the chart's policy lets us make.
    """

    def __init__(
        self,
        addresses: Sequence[ClusterAddress],
        urls: Mapping[str, str] | None = None,
        *,
        longest_s: int = LONGEST_S,
    ) -> None:
        self._urls, self._longest_s = urls or {}, longest_s
        room = max(1, min(AT_ONCE, IN_ALL // max(1, len(addresses))))
        self._doors = {one.name: _Door(address=one, room=BoundedSemaphore(room)) for one in addresses}

    def server(self, cluster: str) -> Server:
        """Nothing is sent for it. Raises UnknownCluster, ClusterRefused."""
        found = self._door(cluster).connection().credentials
        try:
            authority = found.authority
        except OSError as error:
            raise ClusterRefused(f"cluster {cluster}: the certificate of its server cannot be read: {error}") from error
        return Server(
            url=self._urls.get(cluster, found.server), authority=None if authority is None else authority.decode()
        )

    def make(self, cluster: str, company: str, account: str, lasts_s: int) -> Key:
        """A key of the account in the company's namespace, of `lasts_s`, or the shortest or longest that there is.

        Raises UnknownCluster, ClusterAway, ClusterRefused, KeyNotMade.
        """
        path = f"/api/v1/namespaces/{kube.namespace(company)}/serviceaccounts/{account}/token"
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": max(SHORTEST_S, min(lasts_s, self._longest_s))},
        }
        door = self._door(cluster)
        with door.one(), _answered(cluster):
            status = door.connection().create(path, body)["status"]
            return Key(token=status["token"], expires_at=int(instants.read(status["expirationTimestamp"])))

    def close(self) -> None:
        for door in self._doors.values():
            door.close()

    def _door(self, cluster: str) -> "_Door":
        found = self._doors.get(cluster)
        if found is None:
            raise UnknownCluster(
                f"this server is not told of a cluster {cluster}; who runs it names it in DURE_API_CLUSTERS, "
                f"for example {cluster}=/etc/dure/kubeconfig"
            )
        return found


@dataclass(slots=True, kw_only=True)
class _Door:
    """One cluster's, so that one that hangs keeps nobody from the others."""

    address: ClusterAddress
    room: BoundedSemaphore
    _lock: Lock = field(default_factory=Lock)
    _open: "Connection | None" = None

    def connection(self) -> "Connection":
        """Raises ClusterRefused."""
        # The client is slow to import, and many an API is told of no cluster.
        from scheduler.kube.connection import Connection
        from scheduler.kube.credentials import Misconfigured

        with self._lock:
            if self._open is None:
                try:
                    self._open = Connection(self.address, timeout_s=TIMEOUT_S)
                except Misconfigured as error:
                    raise ClusterRefused(str(error)) from error
            return self._open

    @contextmanager
    def one(self) -> Iterator[None]:
        """Of so many at once. Raises ClusterAway."""
        if not self.room.acquire(blocking=False):
            said = f"cluster {self.address.name}: too many keys are being made at this moment; try again shortly"
            raise ClusterAway(said, retry_after_s=RETRY_S)
        try:
            yield
        finally:
            self.room.release()

    def close(self) -> None:
        if self._open is not None:
            self._open.close()


@contextmanager
def _answered(cluster: str) -> Iterator[None]:
    from scheduler.kube.connection import Away, Refused

    try:
        yield
    except Away as error:
        wait = RETRY_S if error.retry_after_s is None else max(1, int(error.retry_after_s))
        raise ClusterAway(f"cluster {cluster} makes no key now: {error}", retry_after_s=wait) from error
    except Refused as error:
        if error.status == 404:
            said = (
                f"cluster {cluster} does not have the account of this key yet; it is made within seconds of its start"
            )
            raise KeyNotMade(said, retry_after_s=1) from error
        said = f"cluster {cluster} makes no key for Dure ({error}); `dure doctor` names what is missing"
        raise ClusterRefused(said) from error
    except (KeyError, TypeError, ValueError) as error:
        raise ClusterAway(f"cluster {cluster} answered without a key: {error}", retry_after_s=RETRY_S) from error
