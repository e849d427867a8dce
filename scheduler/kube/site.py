"""What a reconciler has whoever leads: its cluster's address, the database, the clock, and how the cluster is."""

from collections.abc import Callable
from dataclasses import dataclass

from scheduler.clock import DatabaseClock
from scheduler.kube.attention import Attention
from scheduler.kube.clusters import ClusterAddress
from scheduler.kube.condition import Condition
from scheduler.kube.desired import Terms
from scheduler.kube.metrics import KubeCounters
from scheduler.store import clusters
from scheduler.store.db import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """`epoch` is that of our lead, None while we have none; `follows` says whether another has it."""

    db: Database
    clock: DatabaseClock
    address: ClusterAddress
    terms: Terms
    counters: KubeCounters
    epoch: Callable[[], int | None]
    follows: Callable[[], bool]
    attention: Attention
    condition: Condition

    @property
    def name(self) -> str:
        return self.address.name

    def write_condition(self) -> None:
        """For people, who see it by `GET /v1/clusters`. Raises Unavailable."""
        found = clusters.Heard(
            cluster=self.name,
            version=self.condition.version,
            heard_at=self.condition.heard_at,
            trouble=self.condition.said,
        )
        with self.db.begin() as session:
            clusters.heard(session, found)
