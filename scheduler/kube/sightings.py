"""What was seen of companies' pods, written down for people: only what changed, once a turn."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from scheduler.kube.observed import Pod
from scheduler.kube.reconcile import Steps
from scheduler.store import bulk, enforced, holders
from scheduler.store.db import Database
from scheduler.store.leader import fence

MOST_GPUS = (1 << 31) - 1
"""Of a pod, that can be written down: it may ask for any number, and waits."""


@dataclass(slots=True)
class Sightings:
    """Of one cluster under one lead. `look` and `write` are one thread's, `keep` is any's."""

    db: Database
    cluster: str
    epoch: int
    _rows: dict[str, dict[str, bulk.Row]] = field(default_factory=dict[str, dict[str, bulk.Row]])
    _changed: dict[str, bulk.Row] = field(default_factory=dict[str, bulk.Row])
    _gone: set[str] = field(default_factory=set[str])
    _before: set[str] | None = None

    @property
    def placed(self) -> int:
        """Pods that were let in and are not over."""
        return sum(row["lease"] is not None and row["ended_at"] is None for rows in self._all() for row in rows)

    def _all(self) -> list[list[bulk.Row]]:
        return [list(rows.values()) for rows in list(self._rows.values())]

    def look(self, company: str, pods: Iterable[Pod], steps: Steps, now: float) -> frozenset[str]:
        """Notes what changed of a company's pods with GPUs, also those that went since; the uids of those that are gone."""
        known = self._rows.get(company, {})
        rows = {pod.uid: self._row(company, pod, steps, now) for pod in pods if pod.gpus}
        for uid, row in rows.items():
            if _without_time(known.get(uid)) != _without_time(row):
                self._changed[uid] = row
        gone = known.keys() - rows.keys()
        self._gone |= gone
        self._rows[company] = rows
        return frozenset(gone)

    def write(self, now: float) -> None:
        """Writes down what changed. Raises Unavailable, and Deposed where another leads by now."""
        if self._before is None:
            self._before = self._left_behind()
        if not self._changed and not self._gone:
            return
        changed, gone = self._changed, self._gone
        with self.db.begin() as session:
            fence(session, self.epoch)
            enforced.saw(session, list(changed.values()))
            enforced.gone(session, sorted(gone), now=now)
        self._changed, self._gone = {}, set()
        self._settle(changed.values(), now)

    def _settle(self, rows: Iterable[bulk.Row], now: float) -> None:
        """Agents may have told which GPUs a pod has before it was written down which lease it is on."""
        for node in sorted({row["node"] for row in rows if row["lease"] and row["node"] and row["ended_at"] is None}):
            with self.db.begin() as session:
                fence(session, self.epoch)
                holders.again(session, node, now=now)

    def keep(self, uid: str, container: str, lines: str) -> bool:
        """The last lines of a pod's container; whether the pod is written down already. Raises Unavailable, Deposed."""
        with self.db.begin() as session:
            fence(session, self.epoch)
            return enforced.keep_log(session, uid, container, lines)

    def _left_behind(self) -> set[str]:
        """What another leader saw and is not there any more."""
        with self.db.snapshot() as session:
            before = set(enforced.open_pods(session, self.cluster))
        left = before - {uid for rows in self._rows.values() for uid in rows}
        self._gone |= left
        return before

    def _row(self, company: str, pod: Pod, steps: Steps, now: float) -> bulk.Row:
        wait = steps.waits.get(pod.uid)
        return {
            "uid": pod.uid,
            "cluster": self.cluster,
            "company": company,
            "name": pod.name,
            "lease": pod.placed,
            "wish": pod.wish,
            "gpus": min(MOST_GPUS, max(count for _, count in pod.gpus)),
            "node": pod.node,
            "phase": pod.phase,
            "waits": None if wait is None else wait.code.value,
            "detail": None if wait is None else wait.detail,
            "seen_at": int(now),
            "ended_at": int(now) if pod.is_over else None,
            "exit_code": pod.exit_code,
            "reason": pod.reason,
        }


def _without_time(row: bulk.Row | None) -> bulk.Row | None:
    return None if row is None else {**row, "seen_at": 0, "ended_at": row["ended_at"] is None}
