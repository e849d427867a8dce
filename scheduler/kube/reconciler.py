"""One cluster's reconciler: beside the leader's loop it brings the cluster to what the rows say.

What should be is read from the database at every turn of the loop, what is from watches; which companies to look at again is
known from what changed in either, and from the clock. It decides nothing of itself: `scheduler.kube.reconcile` does.
Nothing is done on what was read too long ago, or under a lead that is not ours any more.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

import structlog

from dure.errors import Unavailable
from scheduler.clock import DatabaseClock
from scheduler.kube.attention import Attention
from scheduler.kube.clusters import ClusterAddress
from scheduler.kube.condition import Condition
from scheduler.kube.connection import Away, Refused
from scheduler.kube.credentials import Misconfigured
from scheduler.kube.desired import Terms
from scheduler.kube.metrics import KubeCounters
from scheduler.kube.report import State
from scheduler.kube.site import Site
from scheduler.kube.tenure import Tenure
from scheduler.store.db import Database
from scheduler.store.leader import Deposed

log = structlog.get_logger()

RETRY_S = 2.0
AGAIN_S = 0.2
"""How soon the database is asked again: ends wait for it."""
FOLLOWS_S = 0.1
"""How often one that does not lead looks whether it does now."""

AWAY = "the database is away, so that nobody leads, and nothing is done"


class Reconciler:
    """Between `with` and its end it has threads. `epoch` is that of our lead, None while we have none; `follows` says whether
    another has it, as the database says.
    """

    def __init__(
        self,
        db: Database,
        clock: DatabaseClock,
        address: ClusterAddress,
        terms: Terms,
        counters: KubeCounters,
        epoch: Callable[[], int | None],
        follows: Callable[[], bool],
    ) -> None:
        self._site = Site(
            db=db,
            clock=clock,
            address=address,
            terms=terms,
            counters=counters,
            epoch=epoch,
            follows=follows,
            attention=Attention(),
            condition=Condition(address.name, clock.now),
        )
        self._stop = threading.Event()
        self._tenure: Tenure | None = None
        self._thread = threading.Thread(target=self._run, name=f"kube-{address.name}", daemon=True)

    def __enter__(self) -> "Reconciler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._site.attention.wake()
        self._thread.join(2 * RETRY_S)

    def look(self) -> None:
        """The rows may have changed: called by the loop after each of its turns."""
        self._site.attention.rows()

    def state(self) -> State | None:
        """How it stands; None where another leads. While the database is away it is what our lead left, as nobody else has it."""
        epoch, tenure = self._site.epoch(), self._tenure
        if epoch is None:
            return None if tenure is None or self._site.follows() else replace(tenure.state(), trouble=AWAY)
        if tenure is not None and tenure.epoch == epoch:
            return tenure.state()
        trouble = self._site.condition.trouble or "not looked at yet"
        return State(cluster=self._site.name, trouble=trouble, undone_s=(), waiting={}, placed=0, troubled=0, strays=0)

    def _run(self) -> None:
        while not self._stop.is_set():
            epoch = self._site.epoch()
            if epoch is None:
                if self._site.follows():
                    self._tenure = None
                self._stop.wait(FOLLOWS_S)
                continue
            try:
                self._serve(epoch)
            except Deposed as error:
                log.info("another scheduler enforces", action="kube_deposed", why=str(error))
            except (Misconfigured, Unavailable) as error:
                self._site.condition.wrong("reconciler", str(error))
                self._say()
            except Exception as error:
                log.exception("a reconciler failed and begins again", action="kube_failed", cluster=self._site.name)
                self._site.condition.wrong("reconciler", f"a fault of Dure's own, {type(error).__name__}: see its log")
                self._say()
            self._stop.wait(RETRY_S)

    def _serve(self, epoch: int) -> None:
        """For as long as we lead. Raises Misconfigured, Unavailable, Deposed."""
        tenure = Tenure(self._site, epoch)
        self._site.attention.changed(None)
        self._site.attention.rows()
        tenure.begin()
        self._tenure = tenure
        try:
            while not self._stop.is_set() and self._site.epoch() == epoch:
                until = self._turn(tenure)
                self._site.attention.wait(until - self._site.clock.now())
        finally:
            tenure.end()

    def _turn(self, tenure: Tenure) -> float:
        """When to look again. Neither a cluster nor a database that does not answer for once ends the tenure: what is undone
        would lose its age.
        """
        try:
            until = tenure.turn()
        except (Away, Refused) as error:
            self._site.condition.wrong("reconciler", str(error))
            self._say()
            return self._site.clock.now() + RETRY_S
        except Unavailable as error:
            self._site.condition.wrong("reconciler", str(error))
            return self._site.clock.now() + AGAIN_S
        self._site.condition.well("reconciler")
        return until

    def _say(self) -> None:
        try:
            self._site.write_condition()
        except Unavailable:
            return


def look(reconcilers: Iterable[Reconciler]) -> None:
    """All of them look at what became of the rows."""
    for one in reconcilers:
        one.look()
