"""The database, and the ledger in it: what is read at a scrape, and what a job reads now and then."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import Metric

from scheduler.metrics.rows import alone, by_one, family, gauge, histogram
from scheduler.store.snapshot.database import DatabaseSize
from scheduler.store.tables import LedgerVerified

UP = gauge(
    "dure_database_up",
    "0 or 1",
    "1 while the database answers and has the schema of this version, from every scheduler: while it does not, nobody leads. 0 for more than"
    " a few seconds is an alarm",
)
TRANSACTION = histogram(
    "dure_database_transaction_duration_seconds",
    "seconds",
    "how long transactions of this process took, with what it worked out in them; those that failed included",
)
CONNECTIONS = gauge(
    "dure_database_connections",
    "connections",
    "connections to the database by state, from all processes: `active`, `idle`, `idle_in_transaction` and others of PostgreSQL's, `unknown` of other users",
    ("state",),
    "7",
)
SIZE = gauge(
    "dure_database_size_bytes", "bytes", "room that the database takes on disk, as it was at most a minute ago"
)
TABLE_SIZE = gauge(
    "dure_table_size_bytes",
    "bytes",
    "room that a table takes with its indexes, a partitioned one with all of its parts",
    ("table",),
    "tables",
)
ARCHIVED = gauge(
    "dure_backup_last_timestamp_seconds",
    "seconds",
    "when PostgreSQL last archived a segment of its log; no series where it archives none",
)
ARCHIVE_FAILED = gauge(
    "dure_backup_failed_timestamp_seconds",
    "seconds",
    "when PostgreSQL last failed to archive a segment of its log and was to try again; no series where it archives none, or never failed",
)
FAULTS = gauge(
    "dure_ledger_faults",
    "faults",
    "what was found when the whole ledger was last added up, by the leader now and then or by `dure ledger verify`, 100 a pool at most:"
    " 0 where every account adds up; any is an alarm",
)
VERIFIED = gauge(
    "dure_ledger_verified_timestamp_seconds",
    "seconds",
    "when that was, whoever leads since; no series where it never was",
)

ROWS = (UP, TRANSACTION, CONNECTIONS, SIZE, TABLE_SIZE, ARCHIVED, ARCHIVE_FAILED, FAULTS, VERIFIED)


@dataclass(slots=True)
class Measured:
    """What a job of the leader found last; nothing while another leads."""

    size: DatabaseSize | None = None
    sized_at: float = 0.0

    def sized(self, found: DatabaseSize, now: float) -> None:
        self.size, self.sized_at = found, now

    def forget(self) -> None:
        """Another leads, and tells of it."""
        self.size, self.sized_at = None, 0.0


def families(connections: Mapping[str, int], verified: LedgerVerified | None, measured: Measured) -> Iterator[Metric]:
    yield family(CONNECTIONS, by_one(connections))
    size = measured.size
    if size is not None:
        yield alone(SIZE, size.bytes)
        yield family(TABLE_SIZE, by_one(size.tables))
        yield alone(ARCHIVED, size.archived_at)
        yield alone(ARCHIVE_FAILED, size.archive_failed_at)
    if verified is not None:
        yield alone(FAULTS, verified.faults)
        yield alone(VERIFIED, verified.at)
