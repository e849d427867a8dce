"""Every metric of the scheduler's process, by subject."""

from itertools import chain

from scheduler.kube import metrics as kube
from scheduler.metrics import calendar, companies, database, decisions, fleet, leases, loop, promises
from scheduler.metrics.rows import Row
from scheduler.webhooks import metrics as webhooks

SUBJECTS: tuple[tuple[str, tuple[Row, ...]], ...] = (
    ("Nodes and GPUs", fleet.ROWS),
    ("Leases, what is next, and the queue", calendar.ROWS),
    ("Promises", promises.ROWS),
    ("Companies", companies.ROWS),
    ("Single leases", leases.ROWS),
    ("Decisions", decisions.ROWS),
    ("The loop", loop.ROWS),
    ("The database and the ledger", database.ROWS),
    ("Webhooks", webhooks.ROWS),
    ("Kubernetes", kube.ROWS),
)

TABLE: tuple[Row, ...] = tuple(chain.from_iterable(rows for _, rows in SUBJECTS))
