"""One lead over one cluster: what was read under it, what is being done, and looking at what changed."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from dure.errors import Unavailable
from scheduler.kube import adopted
from scheduler.kube.actions import Action, Apply, Create, Delete, Key, Open, Remove, describe, key_of
from scheduler.kube.arming import Arming
from scheduler.kube.connection import Connection
from scheduler.kube.inspection import Inspection
from scheduler.kube.lines import LogReader
from scheduler.kube.opening import stays
from scheduler.kube.performing import Done, Performer
from scheduler.kube.reconcile import Steps, reconcile, unfit
from scheduler.kube.report import State
from scheduler.kube.rota import Rota
from scheduler.kube.rows import READ_AGAIN_S, Rows, changed
from scheduler.kube.sightings import Sightings
from scheduler.kube.site import Site
from scheduler.kube.watching import Watch
from scheduler.kube.world import Kind, World, owner
from scheduler.store.leader import Deposed

log = structlog.get_logger()

LATE_S = 1.0
"""What is due for less is about to be looked at."""

TOLD_S = 10.0
"""How often it is written down that the cluster answers."""


@dataclass(slots=True)
class Attended:
    """What is kept of one company between looks."""

    steps: Steps
    wanted: frozenset[Key]
    again_at: float | None


class Tenure:
    """From `begin` to `end` it has threads. `turn` is called by one."""

    def __init__(self, site: Site, epoch: int) -> None:
        """Raises Misconfigured."""
        self._site, self.epoch = site, epoch
        self._connection = Connection(site.address)
        self._world = World(site.attention.changed, site.terms.other_resources)
        self._sightings = Sightings(site.db, site.name, epoch)
        self._rows = Rows(site.db, site.name, epoch, least_grace_s=site.terms.kill_margin_s)
        self._inspection = Inspection(self._connection, site.condition)
        self._attended: dict[str, Attended] = {}
        self._rota = Rota()
        self._told_at = self._alarmed_at = float("-inf")
        self._said: tuple[str, str | None] | None = None
        self._lines = LogReader(self._connection, keep=self._sightings.keep, changed=site.attention.changed)
        self._performer = Performer(
            self._connection,
            self._world,
            self._lines,
            now=site.clock.now,
            may_act=self._may_act,
            wanted=self._wanted,
            done=self._done,
        )
        self._arming = Arming(now=site.clock.now, fire=self._performer.submit)
        self._watches = [
            Watch(self._connection, kind, self._world, site.condition, relist_s=site.terms.relist_s) for kind in Kind
        ]

    def begin(self) -> None:
        self._performer.start()
        self._arming.start()
        for watch in self._watches:
            watch.start()

    def end(self) -> None:
        """What is being done is done; what waits is left to the next leader."""
        for watch in self._watches:
            watch.stop()
        self._arming.stop()
        self._performer.stop()
        self._lines.stop()
        self._connection.close()

    def turn(self) -> float:
        """Looks at all that changed, and at what is due; when to look again.

        Raises Away, Refused, Unavailable, and Deposed where another leads by now.
        """
        began = time.monotonic()
        self._inspection.look()
        self._read()
        now = self._site.clock.now()
        again = now + READ_AGAIN_S
        if all(watch.listed.is_set() for watch in self._watches):
            for company in self._due(now):
                self._look(company)
            self._settle()
            self._alarm()
            self._write(now)
            again = min([again, *(one.again_at for one in self._attended.values() if one.again_at is not None)])
            rests_s = self._rota.wait_s()
            again = again if rests_s is None else min(again, self._site.clock.now() + rests_s)
            self._site.counters.turned(self._site.name, time.monotonic() - began)
        self._tell()
        return again

    def state(self) -> State:
        """How it stands; also after its end, when nothing of it is done any more."""
        now = self._site.clock.now()
        waiting: dict[str, int] = {}
        attended = list(self._attended.values())
        past_s = [late_s for one in attended for late_s in one.steps.past_s(now)]
        for wait in (wait for one in attended for wait in one.steps.waits.values()):
            waiting[wait.code] = waiting.get(wait.code, 0) + 1
        return State(
            cluster=self._site.name,
            trouble=self._site.condition.trouble,
            alarms=len(self._site.condition.alarms),
            undone_s=(
                *(max(0.0, now - one.since) for one in self._performer.undone()),
                *self._late_s(now),
                *past_s,
            ),
            waiting=waiting,
            placed=self._sightings.placed,
            troubled=sum(one.steps.trouble is not None for one in attended),
            strays=len(past_s),
            certificate_ends=self._connection.credentials.certificate_ends(),
        )

    def _late_s(self, now: float) -> Iterator[float]:
        """For how long something has been due that nobody could look at, by company: the database hangs, or is away."""
        for one in list(self._attended.values()):
            if one.again_at is not None and now - one.again_at > LATE_S:
                yield now - one.again_at

    def _read(self) -> None:
        """What should be, where it may have changed."""
        told = self._site.attention.take_rows()
        # What is due by time is not done on rows of a moment ago: a lease may have been extended at the last second.
        if not told and not self._rows.is_old and not self._overdue(self._site.clock.now()):
            return
        before = self._rows.read()
        if self._rows.desired.resources != before.resources:
            self._site.attention.changed(None)
        for name in changed(before, self._rows.desired):
            self._rota.tell(name)

    def _due(self, now: float) -> list[str]:
        """A namespace of a company that nobody knows is none of ours, whatever it is called."""
        known = self._rows.desired.companies.keys()
        return self._rota.take(known, due=self._overdue(now), changed=self._site.attention.take(frozenset(known)))

    def _overdue(self, now: float) -> set[str]:
        """Companies that time alone brings something for."""
        return {name for name, one in self._attended.items() if one.again_at is not None and one.again_at <= now}

    def _look(self, name: str) -> None:
        company, before = self._rows.desired.companies[name], self._attended.get(name)
        seen = self._world.seen(name, self._lines.read(name), self._performer.begun())
        # After it: whoever sees that a key was taken at its instant knows that the instant has come, and makes no new one.
        now = self._site.clock.now()
        steps = reconcile(company, seen, self._world.nodes, self._rows.desired.resources, self._site.terms, now)
        if not self._inspection.is_fit:
            steps = unfit(steps, self._site.condition.trouble)
        if steps.trouble is not None and (before is None or before.steps.trouble != steps.trouble):
            log.error(
                "a company is not enforced", action="company_troubled", cluster=self._site.name, why=steps.trouble
            )
        keys = frozenset(key_of(one) for one in (*steps.actions, *steps.ahead))
        self._attended[name] = attended = Attended(steps=steps, wanted=keys, again_at=steps.next_at)
        self._arming.only(name, steps.ahead)
        again = self._performer.submit(steps.actions)
        attended.again_at = min((one for one in (again, steps.next_at) if one is not None), default=None)
        gone = self._sightings.look(name, (*seen.pods, *self._world.take_ended(name)), steps, now)
        self._performer.forget(gone)
        self._lines.only(name, frozenset(pod.uid for pod in seen.pods))

    def _write(self, now: float) -> None:
        """What was seen is for people: whatever is wrong with it, leases are enforced, and somebody is told."""
        try:
            self._sightings.write(now)
        except (Unavailable, Deposed):
            raise
        except Exception as error:
            log.exception("what pods do could not be written down", action="kube_failed", cluster=self._site.name)
            self._site.condition.wrong("rows", f"what pods do could not be written down: {type(error).__name__}")
        else:
            self._site.condition.well("rows")

    def _settle(self) -> None:
        for name in self._attended.keys() - self._rows.desired.companies.keys():
            del self._attended[name]
            self._arming.only(name, ())
            self._lines.only(name, frozenset())
        if self._performer.undone():
            self._performer.settle(frozenset(key for one in self._attended.values() for key in one.wanted))

    def _alarm(self) -> None:
        """What somebody should see to, of nodes and of companies; now and then."""
        if time.monotonic() - self._alarmed_at < READ_AGAIN_S:
            return
        self._alarmed_at = time.monotonic()
        condition, terms = self._site.condition, self._site.terms
        condition.alarm("nodes", adopted.wrong(self._rows.desired, self._world.nodes.values(), terms.taint_key))
        troubles = (one.steps.trouble for one in self._attended.values())
        condition.alarm("companies", sorted(one for one in troubles if one is not None))

    def _tell(self) -> None:
        """That the cluster answers, now and then; and at once what is wrong with it."""
        condition = self._site.condition
        said = (condition.version or "", condition.said)
        if said == self._said and time.monotonic() - self._told_at < TOLD_S:
            return
        self._site.write_condition()
        self._said, self._told_at = said, time.monotonic()

    def _wanted(self, action: Action) -> bool:
        """By the last look at its company: a key that waited to be made may be one of a lease that is over."""
        attended = self._attended.get(owner(action.path) or "")
        return attended is None or key_of(action) in attended.wanted

    def _may_act(self, action: Action) -> bool:
        """Not on what was read too long ago, nor for another's lead; no lease is ended by a clock that nobody trusts, and nothing
        is begun in a cluster that is not fit: what runs there is ended all the same. Who waited for the API server is let in
        only if its lease is still there.
        """
        if self._site.epoch() != self.epoch or self._rows.is_stale:
            return False
        if not self._inspection.is_fit and isinstance(action, (Apply, Create, Open)):
            return False
        if isinstance(action, Open):
            company = self._rows.desired.companies.get(owner(action.path) or "")
            return stays(action, company, self._site.clock.now())
        is_by_time = isinstance(action, Remove) or (isinstance(action, Delete) and action.at is not None)
        return not (is_by_time and self._site.clock.stepped)

    def _done(self, done: Done) -> None:
        self._site.counters.did(self._site.name, done)
        if isinstance(done.action, Delete) and done.failure is None:
            whose = {"lease": done.action.lease, "company": owner(done.action.path)}
            log.info("a pod is ended", action="pod_end", cluster=self._site.name, **whose, what=describe(done.action))
        if done.failure is not None or done.is_outdated:
            self._site.attention.changed(owner(done.action.path))
