"""TLS of the API: a certificate and its key in files, which are read again when they change, and when it ends."""

import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import structlog
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from scheduler.metrics.certificates import CERTIFICATE_EXPIRY, ends
from scheduler.metrics.rows import family

log = structlog.get_logger()

LOOK_S = 2.0
"""How often the files are looked at."""


class Unusable(Exception):
    """The certificate or its key cannot be used; the text says which file and why."""


class Certificate(Collector):
    """A pair of PEM files. New connections get what was in them last, once that is seen to fit together; what cannot be used
    leaves what was there, and says so in the log. Its metric is the end of what is served.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        """Raises Unusable."""
        self._certificate, self._key = certificate, key
        self._seen = self._stamp()
        _checked(certificate, key)
        self.ends = _ends(certificate)
        self._context: ssl.SSLContext | None = None

    def serve(self, context: ssl.SSLContext) -> None:
        """From now on this context, which has the pair already, is kept as the files are."""
        self._context = context

    def look(self) -> bool:
        """Takes what changed; whether something was taken."""
        stamp = self._stamp()
        if stamp == self._seen:
            return False
        try:
            _checked(self._certificate, self._key)
            end = _ends(self._certificate)
            if end <= time.time() < self.ends:
                raise Unusable(f"{self._certificate} has ended already; the one before is served on")
            if self._context is not None:
                self._context.load_cert_chain(self._certificate, self._key)
        except (Unusable, OSError) as error:
            log.warning("a new certificate cannot be used", action="certificate_unusable", detail=str(error))
            return False
        finally:
            self._seen = stamp
        self.ends = end
        log.info("a new certificate is served", action="certificate_renewed", ends=end)
        return True

    def collect(self) -> Iterator[Metric]:
        yield family(CERTIFICATE_EXPIRY, [(("api",), self.ends)])

    def _stamp(self) -> tuple[tuple[int, ...] | None, ...]:
        return tuple(_changed(path) for path in (self._certificate, self._key))


def _checked(certificate: Path, key: Path) -> None:
    """Loads the pair where nobody is served from: half of a pair would stay in a context that is. Raises Unusable."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        raise Unusable(f"{certificate} and {key} cannot be used together: {error}") from error


def _no_password() -> str:
    raise ValueError("the key is encrypted; give one that is not, in a file that only this process reads")


def _ends(certificate: Path) -> float:
    """Unix seconds; raises Unusable."""
    try:
        return ends(certificate.read_bytes())
    except (OSError, ValueError) as error:
        raise Unusable(f"{certificate} cannot be read: {error}") from error


def _changed(path: Path) -> tuple[int, ...] | None:
    """By more than its time, which whoever copies a file may keep."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size)
