"""Certificates of our own, of which somebody has to see to a new one in time."""

from scheduler.metrics.rows import gauge

CERTIFICATE = gauge(
    "dure_certificate_expiry_timestamp_seconds",
    "seconds",
    "when the first certificate of a chain that the process uses ends: `api` of the API where it serves TLS, `cluster/NAME` of a scheduler that is a"
    " cluster's client by one",
    ("certificate",),
    "clusters + 1",
)
