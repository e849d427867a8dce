"""Keys to companies' namespaces: tokens that soon expire, made in a cluster by the API's own account.

The reconciler makes and takes away the accounts that they are of, and makes no key itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING

from dure import kube
from dure.errors import ClusterAway, ClusterRefused, KeyNotMade, UnknownCluster
from scheduler.kube import clusters, instants
from scheduler.kube.clusters import ClusterAddress

if TYPE_CHECKING:
    from scheduler.kube.connection import Connection

SHORTEST_S = 600
"""No API server makes a token that lives shorter."""

AT_ONCE = 8
"""Well below the number of threads that answer requests: each may wait for seconds."""

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

    `urls` are the addresses by which people reach clusters, where these are others than ours.
    """

    def __init__(self, addresses: Sequence[ClusterAddress], urls: Mapping[str, str] | None = None) -> None:
        self._addresses, self._urls = addresses, urls or {}
        self._open: dict[str, Connection] = {}
        self._lock = Lock()
        self._room = BoundedSemaphore(AT_ONCE)

    def server(self, cluster: str) -> Server:
        """Nothing is sent for it. Raises UnknownCluster, ClusterRefused."""
        found = self._connection(cluster)
        try:
            authority = found.authority
        except OSError as error:
            raise ClusterRefused(f"cluster {cluster}: the certificate of its server cannot be read: {error}") from error
        return Server(
            url=self._urls.get(cluster, found.server), authority=None if authority is None else authority.decode()
        )

    def make(self, cluster: str, company: str, account: str, lasts_s: int) -> Key:
        """A key of the account in the company's namespace, of `lasts_s` or the shortest that there is.

        Raises UnknownCluster, ClusterAway, ClusterRefused, KeyNotMade.
        """
        path = f"/api/v1/namespaces/{kube.namespace(company)}/serviceaccounts/{account}/token"
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": max(SHORTEST_S, lasts_s)},
        }
        connection = self._connection(cluster)
        with self._one(cluster), _answered(cluster):
            status = connection.create(path, body)["status"]
            return Key(token=status["token"], expires_at=int(instants.read(status["expirationTimestamp"])))

    def close(self) -> None:
        for found in self._open.values():
            found.close()

    def _connection(self, cluster: str) -> "Connection":
        # The client is slow to import, and many an API is told of no cluster.
        from scheduler.kube.connection import Connection, Misconfigured

        address = clusters.named(self._addresses, cluster)
        if address is None:
            raise UnknownCluster(
                f"this server is not told of a cluster {cluster}; who runs it names it in DURE_API_CLUSTERS, "
                f"for example {cluster}=/etc/dure/kubeconfig"
            )
        with self._lock:
            if cluster not in self._open:
                try:
                    self._open[cluster] = Connection(address, timeout_s=TIMEOUT_S)
                except Misconfigured as error:
                    raise ClusterRefused(str(error)) from error
            return self._open[cluster]

    @contextmanager
    def _one(self, cluster: str) -> Iterator[None]:
        if not self._room.acquire(blocking=False):
            said = f"cluster {cluster}: too many keys are being made at this moment; try again shortly"
            raise ClusterAway(said, retry_after_s=RETRY_S)
        try:
            yield
        finally:
            self._room.release()


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
