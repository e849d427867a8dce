"""Who is in the load of the dashboards' tests, and what they ask for: a lease of every state, a refusal, and all that companies have."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

from deploy.demo import cast
from deploy.demo import cluster as demo
from deploy.demo.play import Play
from dure import wire
from dure.client import Client
from dure.errors import NoStartInWindow
from tests.acceptance.stack import Stack
from tests.monitoring.prometheus import Prometheus
from tests.receiver import receiver

LONG_S = 1800
"""Longer than any of this takes, so that some leases run and some wait all the while."""

QUOTAS = {"board-a": 6, "board-b": 6, "board-c": 8, "board-d": 4}
BUDGET = wire.Budget(gpu_seconds=360_000, period="month")
A_SHORT_S = 8
LEFT_S = 10
"""Time in which a scheduler is stopped before a start is due."""
FREE = 8
"""GPUs that are there to be leased."""
SICK = "board-node-3"
"""The node on which all faults are. Others use the cluster as well, so no name is one of theirs."""


@contextmanager
def played(
    running: Stack, admin: Client, clients: Mapping[str, Client], enforced: demo.Cluster, watching: Prometheus
) -> Iterator[str]:
    """One lease has run, was released and has its receipt: that lease. Until the `with` is left the others go on, and a webhook is told."""
    with receiver() as hears:
        admin.add_webhook(wire.WebhookCreate(url=hears.url, company="board-b"))
        running.until(lambda: _free(admin) == FREE, "the pool has its GPUs")
        _preempted(running, admin, clients["board-d"])
        over = _asked(Play(clients=clients, pools=_pools(), admin=admin, tell=lambda _: None, cluster=enforced))
        busy = f'dure_lease_receipt_gpu_seconds{{lease="{over}", kind="busy"}}'
        running.until(lambda: watching.value(busy), "the lease that is released has worked")
        clients["board-b"].release(over)
        admin.drain(SICK, wire.DrainNode(duration_s=LONG_S))
        _slips(admin)
        running.until(lambda: admin.lease(over).state is wire.LeaseState.ENDED, "the lease has ended")
        _never_starts(running, admin, clients["board-d"])
        yield over


def cast_of(admin: Client) -> Mapping[str, str]:
    """The demo's two pools and as many companies as there are states; each company's token."""
    for pool, product in cast.PRODUCTS.items():
        times = {"gap_s": cast.GAP_S, "grace_s": cast.GRACE_S, "cluster": demo.NAME, "contended": "booked"}
        admin.add_pool(wire.PoolCreate.model_validate({"name": pool, "product": product, **times}))
    admin.add_pool(wire.PoolCreate(name="board-unserved", product="NVIDIA L4", cluster="nobody-s"))
    for name, gpus in QUOTAS.items():
        admin.add_company(wire.CompanyCreate(name=name))
        for pool in cast.PRODUCTS:
            admin.set_quota(name, pool, wire.QuotaSet(gpus=gpus, budget=BUDGET if name == "board-b" else None))
    return {name: admin.issue_token(wire.TokenIssue(role=wire.Role.COMPANY, company=name)).secret for name in QUOTAS}


def _preempted(running: Stack, admin: Client, client: Client) -> None:
    """Spot that runs, and has to make way for what is asked for next."""
    spot = client.ask(_body(2, LONG_S, tier="spot", name="makes way")).id
    running.until(lambda: admin.lease(spot).state is wire.LeaseState.ACTIVE, "spot runs")


def _slips(admin: Client) -> None:
    """What is booked moves to the other node, and then has none."""
    begin = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2 * LONG_S - 60)
    for node in ("board-node-1", "board-node-2"):
        admin.drain(node, wire.DrainNode(start=begin, duration_s=LONG_S))


def _never_starts(running: Stack, admin: Client, client: Client) -> None:
    """Nobody leads for the whole of its box."""
    asked: list[wire.Lease] = []

    def booked() -> bool:
        start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=LEFT_S)
        with suppress(NoStartInWindow):
            asked.append(client.ask(_body(1, 1, start=start, queue=False, name="never starts")))
        return bool(asked)

    running.until(booked, "a GPU is free for it")
    running.signal("scheduler", signal.SIGSTOP)
    try:
        over = asked[-1].ends_at
        assert over is not None
        running.until(lambda: datetime.now(UTC) > over + timedelta(seconds=1), "its box has passed")
    finally:
        running.signal("scheduler", signal.SIGCONT)
    running.until(lambda: admin.lease(asked[-1].id).state is wire.LeaseState.ENDED, "it is over")


def _pools() -> Mapping[str, str]:
    return dict.fromkeys(QUOTAS, cast.H100)


def _asked(playing: Play) -> str:
    """The lease that is to be released."""
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=LONG_S // 2)
    playing.ask("board-a", _body(4, LONG_S, name="runs all the while"))
    playing.ask("board-b", _body(2, LONG_S, name="released"))
    playing.ask("board-c", _body(8, LONG_S, start_by=soon, name="waits"))
    playing.book("board-b", wire.Shape(gpus=2), in_s=2 * LONG_S, duration_s=60)
    playing.ask("board-c", _body(64, 60, name="never fits"))
    for _ in range(3):
        playing.ask("board-d", _body(2, A_SHORT_S, name="one after the other"))
    (released,) = [one.id for one in playing.promised.values() if one.name == "released"]
    return released


def _body(gpus: int, duration_s: int, **more: object) -> wire.Ask:
    return wire.Ask.model_validate(
        {"pool": cast.H100, "shape": {"gpus": gpus}, "duration_s": duration_s, "notice_s": 0, **more}
    )


def _free(admin: Client) -> int:
    return admin.pool(cast.H100).gpus[wire.GpuState.FREE]
