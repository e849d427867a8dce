"""The client's part of clusters: how they are reached, keys to them, and what is seen of pods."""

from collections.abc import Iterator

from dure import wire
from dure.sending import segment
from dure.using import Using


class Reaching(Using):
    """Routes about clusters."""

    def clusters(self) -> Iterator[wire.Cluster]:
        return self._items("/v1/clusters", wire.Page[wire.Cluster])

    def kube_access(
        self, lease_id: str | None = None, *, company: str | None = None, cluster: str | None = None
    ) -> wire.KubeAccess:
        """How a lease's cluster is reached, or a company's namespace in one; no key."""
        path = f"{_of(lease_id, company)}/kubeconfig"
        return self._get(path, wire.KubeAccess, {"cluster": cluster})

    def kube_token(
        self,
        lease_id: str | None = None,
        *,
        company: str | None = None,
        cluster: str | None = None,
        lasts_s: int | None = None,
    ) -> wire.KubeToken:
        """A new key each time, worth nothing from the lease's end on. Raises KeyNotMade, ClusterAway."""
        path = f"{_of(lease_id, company)}/kube-token"
        sent = self._connection.send("POST", path, params={"cluster": cluster, "lasts_s": lasts_s}, repeatable=True)
        return self._parsed(sent, wire.KubeToken)

    def pods(self, lease_id: str | None = None, *, company: str | None = None) -> Iterator[wire.Pod]:
        """Those that run, ran or wait on a lease, or all of a company's that are not over."""
        return self._items(f"{_of(lease_id, company)}/pods", wire.Page[wire.Pod])

    def pod_logs(self, lease_id: str) -> Iterator[wire.PodLog]:
        """What is kept of the lease's pods that are over."""
        return self._items(f"{_of(lease_id, None)}/logs", wire.Page[wire.PodLog])


def _of(lease_id: str | None, company: str | None) -> str:
    if lease_id is not None:
        return f"/v1/leases/{segment(lease_id)}"
    return f"/v1/companies/{segment(company or '')}"
