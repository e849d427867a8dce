"""Certificates by which others know us, and when they end."""

from cryptography import x509

from scheduler.metrics.rows import gauge

CERTIFICATE_EXPIRY = gauge(
    "dure_certificate_expiry_timestamp_seconds",
    "seconds",
    "when a certificate ends: `api`, which the API serves, the first of its chain to end; `cluster/NAME`, by which the leading scheduler is known to that cluster, if by one",
    ("certificate",),
    "1 + clusters",
)


def ends(pem: bytes) -> float:
    """The first end of a chain in Unix seconds: with any of it ended, nobody trusts the rest. Raises ValueError."""
    return min(one.not_valid_after_utc.timestamp() for one in x509.load_pem_x509_certificates(pem))
