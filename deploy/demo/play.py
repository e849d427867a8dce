"""The play: asks are sent when the trace says, one lease is released early, and everything that happens is told."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from deploy.demo.cluster import Cluster
from deploy.demo.trace import Job
from dure import wire
from dure.client import Client
from dure.errors import DureError, Refused

LOOK_S = 0.5
OVER = (wire.LeaseState.ENDED, wire.LeaseState.CANCELLED, wire.LeaseState.EXPIRED, wire.LeaseState.REFUSED)
UNTOLD = (wire.LeaseState.ENDING, wire.LeaseState.REFUSED)
"""The one is not worth a line, the other was told when it was answered."""

RUNS = (wire.LeaseState.SCHEDULED, wire.LeaseState.ACTIVE)

Tell = Callable[[str], None]


@dataclass
class Play:
    """What was asked, what was promised, and what the audience has been told."""

    clients: Mapping[str, Client]
    pools: Mapping[str, str]
    """The pool that each company asks for."""
    admin: Client
    tell: Tell
    cluster: Cluster | None = None
    """What enforces the leases, if something does: each gets a workload in it."""
    began: float = field(default_factory=time.monotonic)
    promised: dict[str, wire.Lease] = field(default_factory=dict[str, wire.Lease])
    told: dict[str, wire.LeaseState] = field(default_factory=dict[str, wire.LeaseState])
    released: str | None = None
    let_run: set[str] = field(default_factory=set[str])

    def run(self, jobs: Sequence[Job], *, patience_s: float) -> None:
        """Until every lease is over; raises TimeoutError when that takes more than `patience_s` after the last ask."""
        self.began = time.monotonic()
        waiting = list(jobs)
        while waiting:
            while waiting and waiting[0].submit_s <= self._elapsed():
                self._job(waiting.pop(0))
            self._look()
            time.sleep(0.1 if waiting else LOOK_S)
        last = time.monotonic()
        while not self._look():
            if time.monotonic() > last + patience_s:
                raise TimeoutError(f"not over {patience_s:.0f} s after the last ask: {self._unfinished()}")
            time.sleep(LOOK_S)

    def book(self, company: str, shape: wire.Shape, *, in_s: int, duration_s: int) -> None:
        """An ask for an exact time."""
        start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=in_s)
        body = wire.Ask(pool=self.pools[company], shape=shape, duration_s=duration_s, start=start, name="booked ahead")
        self.ask(company, body)

    def ask(self, company: str, body: wire.Ask) -> None:
        """Sends it and tells what came of it. The client asks again, under the same key, while the server does not answer."""
        gpus = "GPU" if body.shape.total == 1 else "GPUs"
        asked = f"{company} asks {body.shape} {gpus} of {body.pool} for {body.duration_s} s"
        try:
            lease = self.clients[company].ask(body)
        except Refused as refused:
            self._tell(f"{asked}: REFUSED ({refused.code}) {refused.detail}")
            return
        except DureError as error:
            self._tell(f"{asked}: not answered ({error.code}) {error.detail}")
            return
        if lease.promised_start is not None:
            self.promised[lease.id] = lease
        self.told[lease.id] = lease.state
        self._tell(f"{asked}: {_answer(lease)}")
        self._let_run(lease)

    def _job(self, job: Job) -> None:
        shape = wire.Shape(gpus=job.gpus)
        self.ask(
            job.company,
            # Its workload waits at the gate, so it may start the moment there is room, with no notice.
            wire.Ask(
                pool=self.pools[job.company],
                shape=shape,
                duration_s=job.duration_s,
                notice_s=0,
                name=f"job {job.id}",
            ),
        )

    def _look(self) -> bool:
        """Tells what changed since the last look; whether everything is over."""
        try:
            leases = list(self.admin.leases())
        except DureError as error:
            self._tell(f"the server does not answer ({error.code}); what was promised stands")
            return False
        for lease in reversed(leases):
            self._let_run(lease)
            if lease.promised_start is not None:
                self.promised.setdefault(lease.id, lease)
            if self.told.get(lease.id) != lease.state:
                self.told[lease.id] = lease.state
                if lease.state not in UNTOLD:
                    self._tell(_change(lease))
                if lease.id in self.let_run and lease.state in OVER and self.cluster is not None:
                    self.cluster.over(lease)
            if self.released is None and _has_run(lease, 5) and lease.duration_s >= 15:
                self._release(lease)
        for said in self.cluster.look() if self.cluster is not None else []:
            self._tell(said)
        return all(lease.state in OVER for lease in leases)

    def _let_run(self, lease: wire.Lease) -> None:
        """Gives it a workload in the cluster once its start is promised: from then on its pods may wait at the gate."""
        if self.cluster is not None and lease.id not in self.let_run and lease.state in RUNS:
            self.let_run.add(lease.id)
            self.cluster.workload(lease)

    def _release(self, lease: wire.Lease) -> None:
        try:
            ended = self.clients[lease.company].release(lease.id)
        except DureError:
            return
        self.released = lease.id
        early = int((lease.ends_at - ended.stops_at).total_seconds()) if lease.ends_at and ended.stops_at else 0
        self._tell(
            f"{lease.company} RELEASES {lease.id} {early} s early; {early * lease.shape.total} GPU-seconds go back"
        )

    def _unfinished(self) -> str:
        going_on = [lease for lease in self.admin.leases() if lease.state not in OVER]
        return "; ".join(f"{lease.id} is {lease.state}, starts at {lease.starts_at}" for lease in going_on)

    def _elapsed(self) -> float:
        return time.monotonic() - self.began

    def _tell(self, what: str) -> None:
        self.tell(f"[{self._elapsed():5.1f} s] {what}")


def _answer(lease: wire.Lease) -> str:
    if lease.promised_start is None:
        return f"QUEUED ({lease.decision.code})"
    nodes = ", ".join(share.node for share in lease.placement)
    word = "GRANTED now" if lease.decision.code == "starts_now" else f"PROMISED for {lease.promised_start:%H:%M:%S}"
    return f"{word} on {nodes}"


def _change(lease: wire.Lease) -> str:
    match lease.state:
        case wire.LeaseState.ACTIVE:
            return (
                f"  {lease.id} of {lease.company} starts at {lease.started_at:%H:%M:%S}, {_beside_its_promise(lease)}"
            )
        case wire.LeaseState.ENDED:
            return f"  {lease.id} of {lease.company} ended: {lease.end_cause}"
        case state:
            return f"  {lease.id} of {lease.company} is {state}"


def _beside_its_promise(lease: wire.Lease) -> str:
    if lease.late_start_s:
        return f"{lease.late_start_s} s late: {lease.late_cause}"
    if lease.started_at is not None and lease.promised_start is not None and lease.started_at < lease.promised_start:
        return f"{int((lease.promised_start - lease.started_at).total_seconds())} s before its promise"
    return "on its second"


def _has_run(lease: wire.Lease, seconds: int) -> bool:
    if lease.state is not wire.LeaseState.ACTIVE or lease.started_at is None:
        return False
    return datetime.now(UTC) - lease.started_at >= timedelta(seconds=seconds)
