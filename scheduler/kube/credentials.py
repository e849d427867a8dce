"""What we are known by in a cluster, as its files are now: a kubeconfig, or the account of this process's own pod."""

from contextlib import suppress
from pathlib import Path
from threading import Lock

from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from kubernetes.config.incluster_config import InClusterConfigLoader

from scheduler.kube.clusters import ClusterAddress
from scheduler.metrics.certificates import ends

AT_ONCE = 240
"""Connections that are kept open; as many calls run at a time."""


class Misconfigured(Exception):
    """The credentials of a cluster cannot be read; the text says which and why."""


class Credentials:
    """For any thread. What is under way by those of before goes on."""

    def __init__(self, address: ClusterAddress) -> None:
        """Raises Misconfigured."""
        self._address, self._lock = address, Lock()
        self._seen = _stamp(address)
        self._client = _client(address)

    @property
    def client(self) -> ApiClient:
        """By the file as it is now, if it can be used; else as it was: one that cannot is tried again once it has changed."""
        seen = _stamp(self._address)
        if seen != self._seen:
            with self._lock, suppress(Misconfigured):
                if seen != self._seen:
                    self._seen = seen
                    self._client = _client(self._address)
        return self._client

    def instead_of(self, failed: ApiClient) -> ApiClient | None:
        """Another than the one that was of no use; None where nothing can be read. What the file names may have changed, too."""
        with self._lock, suppress(Misconfigured):
            if self._client is failed:
                self._client = _client(self._address)
            return self._client
        return None

    @property
    def server(self) -> str:
        """The API server's address, as the kubeconfig has it."""
        return self.client.configuration.host

    @property
    def authority(self) -> bytes | None:
        """The certificate that the API server is known by, PEM; None where the system's own are used. Raises OSError."""
        configuration = self.client.configuration
        if configuration.ca_cert_data:
            data = configuration.ca_cert_data
            return data.encode() if isinstance(data, str) else data
        path = configuration.ssl_ca_cert
        return Path(path).read_bytes() if path else None

    def certificate_ends(self) -> float | None:
        """When our own certificate ends, in Unix seconds; None where we are known by a token, or it cannot be read."""
        path = self.client.configuration.cert_file
        try:
            return None if not path else ends(Path(path).read_bytes())
        except (OSError, ValueError):
            return None

    def close(self) -> None:
        self._client.close()


def _stamp(address: ClusterAddress) -> tuple[int, ...] | None:
    """Of the kubeconfig, behind links; by more than its time, which whoever copies a file may keep."""
    if address.kubeconfig is None:
        return None
    try:
        found = Path(address.kubeconfig).stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size)


def _client(address: ClusterAddress) -> ApiClient:
    """By its credentials as they are now. Raises Misconfigured."""
    found = Configuration()
    where = "this process's own pod" if address.kubeconfig is None else address.kubeconfig
    try:
        if address.kubeconfig is None:
            InClusterConfigLoader(str(address.account / "token"), str(address.account / "ca.crt")).load_and_set(found)
        else:
            config.load_kube_config(
                config_file=address.kubeconfig,
                context=address.context,
                client_configuration=found,
                persist_config=False,
            )
    # A file that is no YAML, or has another shape than the client expects, comes as almost any exception.
    except Exception as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        raise Misconfigured(f"cluster {address.name}: {where} cannot be used ({why})") from error
    found.connection_pool_maxsize = AT_ONCE
    return ApiClient(found)
