"""Every metric of an API replica."""

from scheduler.metrics import decisions
from scheduler.metrics.certificates import CERTIFICATE_EXPIRY
from scheduler.metrics.database import TRANSACTION
from scheduler.metrics.rows import Row, counter, gauge, histogram

OF = ("route", "method")

REQUESTS = counter(
    "dure_api_requests_total",
    "requests",
    "requests answered; the route is the template, `unmatched` where there is none, and a method that there is not is `other`",
    (*OF, "status"),
    "routes methods statuses",
)
SECONDS = histogram(
    "dure_api_request_duration_seconds",
    "seconds",
    "from the first byte of a request to the last of its answer; for an event stream its whole life",
    OF,
    "routes methods",
    buckets=(0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
STREAMS = gauge("dure_api_event_streams", "streams", "event streams that are open")
STREAMS_ENDED = counter(
    "dure_api_event_streams_ended_total",
    "streams",
    "event streams that ended: `left` (their client), `slow` (it did not keep up), `token` (revoked or expired), `away` (the database), `shutdown`",
    ("reason",),
    "5",
)
REPORTS = counter(
    "dure_api_reports_total",
    "reports",
    "reports of nodes: `taken`, `whole_wanted` (it built on one that is not known here, and a whole one was asked for), `refused`,"
    " `turned_away` (too many waited)",
    ("outcome",),
    "4",
)
TOGETHER = histogram(
    "dure_api_reports_together", "reports", "how many reports shared a transaction", buckets=(1, 2, 4, 8, 16, 32, 64)
)
WAITING = gauge(
    "dure_api_reports_waiting",
    "reports",
    "reports that wait to be taken in, or are under way; at 512, or at 64 of those whose senders were not admitted in the last 10 minutes,"
    " others are turned away",
)
BUILD = gauge("dure_build_info", "processes", "what runs; always 1", ("version", "python"))

TABLE: tuple[Row, ...] = (
    REQUESTS,
    SECONDS,
    *decisions.ROWS,
    TRANSACTION,
    STREAMS,
    STREAMS_ENDED,
    REPORTS,
    TOGETHER,
    WAITING,
    CERTIFICATE_EXPIRY,
    BUILD,
)
