"""What we are known by in a cluster, as its files are now: a kubeconfig, or the account of this process's own pod."""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock

import structlog
from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from kubernetes.config.incluster_config import InClusterConfigLoader

from scheduler.kube.clusters import ClusterAddress
from scheduler.metrics.certificates import ends

log = structlog.get_logger()

AT_ONCE = 240
"""Connections that are kept open; as many calls run at a time."""

AGAIN_S = 10.0
"""For so long files that did not change, and were of no use, are not read again."""


class Misconfigured(Exception):
    """The credentials of a cluster cannot be read; the text says which and why."""


class Credentials:
    """For any thread. What is under way by those of before goes on."""

    def __init__(self, address: ClusterAddress, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Raises Misconfigured."""
        self._address, self._lock, self._monotonic = address, Lock(), monotonic
        self._refused_at: float | None = None
        self._is_told = False
        self._seen = _stamp(address)
        self._client = _client(address)

    @property
    def client(self) -> ApiClient:
        """By the file as it is now, if it can be used; else as it was: one that cannot is tried again once it has changed."""
        seen = _stamp(self._address)
        if seen != self._seen:
            with self._lock:
                # Who sees the change meanwhile waits for it to be read, and reads it no second time.
                if seen != self._seen:
                    self._read_again()
                    self._seen = seen
        return self._client

    def instead_of(self, failed: ApiClient) -> ApiClient | None:
        """Another than the one that was of no use; None where nothing can be read, or was just now. What the file names may have
        changed, too.
        """
        with self._lock:
            if self._client is not failed:
                return self._client
            now = self._monotonic()
            if self._refused_at is not None and now - self._refused_at < AGAIN_S:
                return None
            self._refused_at = now
            return self._client if self._read_again() else None

    def _read_again(self) -> bool:
        """Whether it can be used. By what is new nobody comes to be known by nothing, as by half of a file."""
        try:
            client = _client(self._address)
            if _is_known(self._client) and not _is_known(client):
                raise Misconfigured(
                    f"cluster {self._address.name}: {_where(self._address)} has no credentials any more"
                )
        except Misconfigured as error:
            if not self._is_told:
                log.warning(
                    "credentials cannot be used; those of before are used until their file is mended",
                    action="credentials_unusable",
                    cluster=self._address.name,
                    error=str(error),
                )
            self._is_told = True
            return False
        self._client, self._is_told = client, False
        return True

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


def _is_known(client: ApiClient) -> bool:
    """By a token, a password or a certificate; what a program says is one of these."""
    return bool(client.configuration.api_key or client.configuration.cert_file)


def _where(address: ClusterAddress) -> str:
    return "this process's own pod" if address.kubeconfig is None else address.kubeconfig


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
        raise Misconfigured(f"cluster {address.name}: {_where(address)} cannot be used ({why})") from error
    found.connection_pool_maxsize = AT_ONCE
    return ApiClient(found)
