"""Every metric of the scheduler's process."""

from scheduler.kube import metrics as kube
from scheduler.metrics import calendar, companies, database, decisions, fleet, leases, loop, promises
from scheduler.metrics.rows import Row
from scheduler.webhooks import metrics as webhooks

TABLE: tuple[Row, ...] = (
    *fleet.ROWS,
    *calendar.ROWS,
    *promises.ROWS,
    *companies.ROWS,
    *leases.ROWS,
    *decisions.ROWS,
    *loop.ROWS,
    *database.ROWS,
    *webhooks.ROWS,
    *kube.ROWS,
)
