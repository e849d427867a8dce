"""The scheduler's metrics. State is collected from one database snapshot at scrape time; only events are counted here.

Fleet, lease and ledger series come from the leading scheduler alone. `table` has every metric of the process.
"""

from scheduler.metrics.collector import FleetCollector
from scheduler.metrics.database import Measured
from scheduler.metrics.loop import Counters

__all__ = ["Counters", "FleetCollector", "Measured"]
