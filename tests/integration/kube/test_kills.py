"""The scheduler that leads is killed again and again while leases come and go: each time the next begins where it was.

When it dies is drawn by a seed: at any time, in the middle of what it does to the cluster, when the API server has done it and
the process has not heard of it yet, and with the one that would take over. Leases are asked for, extended, released and cancelled
meanwhile, as an API would. Whether pods ran inside of them alone is said by a watch of our own.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from dure import kube, wire
from dure.errors import DureError
from scheduler.store import sums
from scheduler.store.db import Database
from tests import effort
from tests.cluster.cluster import MERGE, Cluster
from tests.cluster.following import followed
from tests.cluster.kwok import DEADLINE, STUBBORN
from tests.cluster.proxy import Proxy
from tests.integration.kube import chart
from tests.integration.kube.dying import Death, Play, dealt_with
from tests.integration.kube.escapes import oracle
from tests.integration.kube.lives import Due, Lives
from tests.integration.kube.processes import Process
from tests.integration.kube.stand import ADMIN, Stand, pod, soon, stand
from tests.integration.kube.workloads import job

pytestmark = pytest.mark.timeout(900)

SEEDS = range(1, 9) if effort.DEEP else (1,)
KILLS = 12
LEASES = 32
CLOSES_S = 30
LONG_S = 300.0
"""Only guards against hanging: the machine may be busy."""


@dataclass(slots=True, kw_only=True)
class Story:
    """What was asked for, and what became of it."""

    play: Play
    made: Stand
    leases: list[wire.Lease] = field(default_factory=list[wire.Lease])
    done: list[str] = field(default_factory=list[str])

    def ask(self, *, who: str, shape: dict[str, int], **said: Any) -> wire.Lease | None:
        """With pods of one GPU each for all of it; None, and nothing made, where it cannot be had."""
        lease = self.made.ask(who=who, shape=shape, queue=False, **said)
        if lease.state == "refused":
            return None
        self.leases.append(lease)
        count = shape.get("gpus") or shape["nodes"] * shape["gpus_per_node"]
        self.play.objects += [(who, body) for body in _workload(lease.id, count, self.play.chance)]
        return lease

    def at(self, lease: wire.Lease, after_s: float, what: str, do: Callable[[wire.Lease], Any]) -> None:
        """So long after its start. It may be refused by then."""

        def act() -> None:
            with suppress(DureError, AssertionError):
                do(lease)
                self.done.append(what)

        self.play.acts.append((self.made.starts(lease) + after_s, act))

    def live(self) -> list[str]:
        return [one.id for one in self.leases if self.made.lease(one).state not in ("ended", "cancelled")]


def _workload(lease: str, count: int, chance: random.Random) -> Iterator[dict[str, Any]]:
    """Some of a Job, and some that take all of their grace; what has a deadline keeps it."""
    name, kept = lease.replace("_", "-"), {DEADLINE: "true"}
    if chance.random() < 0.25:
        body = job(name, 1, parallelism=count, completions=count, backoffLimit=0)
        meta = body["spec"]["template"]["metadata"]
        meta |= {"labels": {**meta["labels"], kube.LEASE_LABEL: lease}, "annotations": kept}
        yield body
        return
    for number in range(count):
        body = pod(f"{name}-{number}", 1, lease=lease)
        body["metadata"]["annotations"] = kept | ({STUBBORN: "true"} if chance.random() < 0.3 else {})
        yield body


def _booked(story: Story) -> None:
    """Half of them short and never extended, half longer."""
    chance, made = story.play.chance, story.made
    for number in range(LEASES):
        who = (made.acme, made.globex)[number // 2 % 2]
        if number % 2:
            when = {"start_in_s": chance.randint(5, 36), "duration_s": chance.randint(12, 16)}
            story.ask(who=who, shape={"gpus": chance.choice((1, 2, 4))}, extendable=False, **when)
            continue
        is_gang = number % 8 == 0
        shape = {"nodes": 2, "gpus_per_node": 2} if is_gang else {"gpus": chance.randint(1, 3)}
        when = {"start_in_s": chance.randint(5, 20), "duration_s": chance.randint(26, 32)}
        lease = story.ask(who=who, shape=shape, all_at_once=is_gang, **when)
        if lease is not None:
            _amended(story, lease)


def _amended(story: Story, lease: wire.Lease) -> None:
    chance, made, length = story.play.chance, story.made, lease.duration_s
    what = chance.choice(("nothing", "extended", "extended", "released"))
    if what == "extended":
        by_s = chance.randint(5, 9)
        # Up to the second at which extending closes, and a little after it.
        story.at(lease, chance.uniform(1, length / 2 + 0.5), what, lambda one: made.extend(one, by_s))
    elif what == "released":
        story.at(lease, chance.uniform(3, length - 8), what, made.release)


def _disturbed(story: Story, operator: httpx.Client) -> None:
    """Asks that start at once, a cancellation, and an operator's mistakes."""
    made, chance, acts = story.made, story.play.chance, story.play.acts
    now, one = made.clock.now(), {"gpus": 1}
    for number in range(5):
        who = (made.acme, made.globex)[number % 2]
        ask = lambda who=who: story.ask(who=who, shape=one, duration_s=14, extendable=False)  # noqa: E731
        acts.append((now + chance.uniform(8, 34), ask))
    story.at(story.leases[-1], -2, "cancelled", made.cancel)
    quota = f"/api/v1/namespaces/{made.namespace()}/resourcequotas/{kube.QUOTA}"
    limits = f"/api/v1/namespaces/{made.namespace(made.globex)}/limitranges/{kube.LIMITS}"
    more = {"spec": {"hard": {"requests.nvidia.com/gpu": "800"}}}
    acts.append((now + 12, lambda: operator.patch(quota, json=more, headers=MERGE).raise_for_status()))
    acts.append((now + 25, lambda: operator.delete(limits)))


def _due(lease: wire.Lease, deaths: list[Death]) -> Due:
    """As it is now. Its pods are over by its end, whoever dies: unless nobody led since it was known that it ends then."""
    assert lease.starts_at is not None
    assert lease.stops_at is not None
    over_by = stops_at = lease.stops_at.timestamp()
    if lease.end_cause == "released":
        over_by = dealt_with(deaths, stops_at)
    elif lease.extendable:
        # So long before its end all who lead write its deadline on a pod.
        over_by = max(stops_at, dealt_with(deaths, stops_at - lease.duration_s / 2 + 4))
    nodes = {share.node: share.gpus for share in lease.placement}
    return Due(company=lease.company, starts_at=lease.starts_at.timestamp(), over_by=over_by, nodes=nodes)


def _as_desired(made: Stand, who: str, *leases: wire.Lease) -> bool:
    """What the company has is what it should have, neither more nor less."""
    keys = {kube.COMPANY_KEY, *(kube.lease_account(one.id) for one in leases)}
    wanted = {
        "resourcequotas": {kube.QUOTA},
        "limitranges": {kube.LIMITS},
        "networkpolicies": {kube.ISOLATION},
        "serviceaccounts": {"default", *keys},
        "rolebindings": keys,
    }
    found = oracle.bounds(made.cluster, [made.namespace(who)])
    names = {path.rpartition("/")[2]: set(each) for path, each in found.items()}
    booked = made.booked(who)
    # Pods that wait for a lease gone by are counted out, up to as much again.
    return {kind: names[kind] for kind in wanted} == wanted and booked <= int(made.quota(who) or -1) <= 2 * booked


def _versions(made: Stand) -> dict[str, str]:
    """Of all pods with GPUs, by uid."""
    found = (one["metadata"] for who in (made.acme, made.globex) for one in made.pods(who).values())
    return {meta["uid"]: meta["resourceVersion"] for meta in found}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_scheduler_that_is_killed_again_and_again_keeps_every_pod_inside_of_its_lease(
    database: Database, cluster: Cluster, tmp_path: Path, seed: int
) -> None:
    with ExitStack() as stack:
        proxy = stack.enter_context(Proxy(cluster))
        made = stack.enter_context(stand(database, cluster, count=6, url=proxy.url, extension_closes_s=CLOSES_S))
        processes = [stack.enter_context(Process(database, made.address, tmp_path)) for _ in range(2)]
        both = (made.acme, made.globex)
        lives = Lives(frozenset(both), made.clock.now)
        stack.enter_context(followed(cluster, "/api/v1/pods", lives.take))
        soon(lambda: all(made.has_key(who=who) for who in both), "the companies' keys", LONG_S)
        clients = {who: stack.enter_context(made.tenant(who)) for who in both}
        chance = random.Random(seed)
        play = Play(made=made, processes=processes, proxy=proxy, clients=clients, chance=chance, kills=KILLS)
        story = Story(play=play, made=made)
        stays = made.ask(2, duration_s=3000, extendable=False)
        later = made.ask(8, who=made.globex, start_in_s=3600, duration_s=60)
        play.objects += [(made.acme, pod("stays", 2, lease=stays.id)), (made.globex, pod("later", 8, lease=later.id))]
        _booked(story)
        play.until = max(made.ends(one) for one in story.leases)
        _disturbed(story, stack.enter_context(chart.break_glass(cluster)))
        soon(play.over, "all of it to be played", LONG_S)
        soon(lambda: not story.live(), "the leases to end", LONG_S)

        def value(name: str, **labels: str) -> float | None:
            """Of whoever leads by now: who led may have died of a change that came after all was played."""
            return next((one.value(name, **labels) for one in processes if one.leads()), None)

        # Nodes here have no kubelets: lines are given up after a while.
        soon(lambda: value("dure_kube_undone", cluster="main") == 0, "nothing to be undone", LONG_S)
        soon(lambda: _as_desired(made, made.acme, stays), "what acme should have")
        soon(lambda: _as_desired(made, made.globex), "what globex should have")
        soon(lambda: made.running() == {"stays"} and not made.running(made.globex), "nothing else to run")
        soon(lambda: lives.versions == _versions(made), "all of it to be heard")
        found = [made.lease(one) for one in (stays, *story.leases)]
        wrong = list(lives.wrongs({one.id: _due(one, play.deaths) for one in found}))
        ran = {one.lease for one in lives.of.values() if one.began is not None}
        print([(one.how, round((one.until or 0) - one.at, 1)) for one in play.deaths])
        print(f"{len(found)} leases, {len(ran)} of them with pods that ran, {len(lives.of)} pods;", sorted(story.done))
        assert not wrong, "\n".join([*wrong, *(one.said() for one in processes)])
        # A machine that is busy with others starts few processes meanwhile.
        assert len(ran) >= LEASES // 4
        assert play.deaths
        with made.db.snapshot() as session:
            assert sums.verify(session, company=None, pool=None, actor=ADMIN).faults == []
        assert value("dure_kube_pods_unexplained", cluster="main") == 0
        assert made.pods(made.globex)["later"]["spec"]["schedulingGates"] == [{"name": kube.GATE}]
