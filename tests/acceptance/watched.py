"""A running Dure that a real Prometheus watches by the chart's own rules, and whose alerts a real Alertmanager tells a webhook."""

import json
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dure import wire
from dure.client import Client
from tests.acceptance.house import House
from tests.acceptance.stack import Stack
from tests.cluster.certificates import HOST, Authority, Pair
from tests.monitoring.alertmanager import Alertmanager, alertmanager
from tests.monitoring.prometheus import Prometheus, prometheus
from tests.monitoring.rules import written

POOL = "h100-80gb"
NODES, GPUS = 2, 4

AT_ONCE = {"for": "0s"}
SECONDS: dict[str, Any] = {
    "interval": "1s",
    "keepFiringFor": "0s",
    "runbookUrl": "https://dure.example.org/operations",
    "nodeSilent": {"aboveSeconds": 3, **AT_ONCE},
    "nodesSilent": AT_ONCE,
    "gpuUnhealthy": AT_ONCE,
    "gpuNotEmpty": AT_ONCE,
    "violation": AT_ONCE,
    "promiseSlipped": {"within": "10s"},
    "leaseOverdue": {"for": "2s"},
    "loopStalled": {"aboveSeconds": 5, "for": "5s"},
    "databaseAway": AT_ONCE,
    "apiAway": {"for": "1s"},
    "certificateEnding": {"ticketSeconds": 3600, "pageSeconds": 60, **AT_ONCE},
}
"""The chart's values for a test: what takes minutes in life takes seconds. What else there is stays as it is shipped."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """`acme` is a company that may have all GPUs of the only pool."""

    stack: Stack
    house: House
    authority: Authority
    scenario: Path
    prometheus: Prometheus
    alertmanager: Alertmanager
    admin: Client
    acme: Client

    def fires(self, alert: str, **labels: str) -> dict[str, Any]:
        """Waits until it fires with these labels and the webhook was told so; what it was told."""
        self.stack.until(lambda: self._firing(alert, labels), f"{alert} {labels} fires in Prometheus")
        return self.stack.until(lambda: self._told(alert, "firing", labels), f"the webhook is told of {alert}")

    def is_over(self, alert: str, **labels: str) -> None:
        """Waits until it fires no more, and until that was the last that the webhook was told."""
        self.stack.until(lambda: not self._firing(alert, labels), f"{alert} {labels} fires no more")
        self.stack.until(lambda: self._told(alert, "resolved", labels), f"the webhook is told that {alert} is over")

    def asks(self, gpus: int, *, nodes: int | None = None, duration_s: int, **more: Any) -> wire.Lease:
        shape = wire.Shape(gpus=gpus) if nodes is None else wire.Shape(nodes=nodes, gpus_per_node=gpus)
        return self.acme.ask(wire.Ask(pool=POOL, shape=shape, duration_s=duration_s, notice_s=0, **more))

    def until_active(self, lease: wire.Lease) -> None:
        self.stack.until(lambda: self.acme.lease(lease.id).state == wire.LeaseState.ACTIVE, "the lease has started")

    def befalls(self, node: str, *faults: dict[str, Any]) -> None:
        """The node's agent is started anew, and finds that; nothing where there are no faults."""
        self.scenario.write_text(scenario(*({"node": node, **fault} for fault in faults)))
        pid = self.stack.pids()[f"agent-{node}"]
        self.stack.signal(f"agent-{node}", signal.SIGKILL)
        self.stack.until(lambda: self.stack.pids()[f"agent-{node}"] != pid, f"the agent of {node} runs again")

    def until_free(self) -> None:
        everything = NODES * GPUS
        self.stack.until(
            lambda: self.admin.pool(POOL).gpus.get(wire.GpuState.FREE) == everything, "all GPUs are free", within_s=120
        )

    def serves(self, pair: Pair) -> None:
        """The API by HTTPS has this certificate from now on."""
        pair.write(self.house.folder, "api")

    def _firing(self, alert: str, labels: dict[str, str]) -> bool:
        found = [one for one in self.prometheus.alerts(alert) if labels.items() <= one["labels"].items()]
        return any(one["state"] == "firing" for one in found)

    def _told(self, alert: str, status: str, labels: dict[str, str]) -> dict[str, Any] | None:
        """The last that was told of it, if it was that."""
        wanted = {"alertname": alert, **labels}
        last = [one for one in self.alertmanager.told if wanted.items() <= one["labels"].items()][-1:]
        return next((one for one in last if one["status"] == status), None)


def scenario(*faults: dict[str, Any]) -> str:
    return json.dumps({"gpus": GPUS, "faults": faults})


@contextmanager
def watched(stack: Stack, folder: Path, scenario: Path) -> Iterator[Watched]:
    """The stack runs already; beside it one more API runs, by HTTPS."""
    house = House(folder=folder, shared={"DURE_DATABASE_URL": stack.postgres.url("dure")})
    authority = Authority(folder, "authority")
    with ExitStack() as opened:
        opened.callback(house.close)
        crt, key = authority.server("api").write(folder, "api")
        house.api("secure", DURE_API_TLS_CERTIFICATE=str(crt), DURE_API_TLS_KEY=str(key))
        told = opened.enter_context(alertmanager(folder / "alertmanager"))
        rules = written(folder / "rules.yml", **SECONDS)
        jobs = {**_jobs(stack), "dure-api-secure": [house.address("secure")]}
        seeing = opened.enter_context(
            prometheus(
                folder / "prometheus",
                jobs,
                rules=[rules],
                alertmanager=told.address,
                interval="1s",
                authorities={"dure-api-secure": authority.crt},
            )
        )
        admin = opened.enter_context(stack.client())
        acme = opened.enter_context(stack.client(_founded(admin)))
        yield Watched(
            stack=stack,
            house=house,
            authority=authority,
            scenario=scenario,
            prometheus=seeing,
            alertmanager=told,
            admin=admin,
            acme=acme,
        )


def _jobs(stack: Stack) -> dict[str, Sequence[str]]:
    """As the chart's ServiceMonitors call them."""
    addresses = {name: url.removeprefix("http://").removesuffix("/metrics") for name, url in stack.metrics.items()}
    first = int(addresses["scheduler"].rpartition(":")[2]) + 1
    agents = [f"{HOST}:{first + at}" for at in range(NODES)]
    return {"dure-api": [addresses["api"]], "dure-scheduler": [addresses["scheduler"]], "dure-agent": agents}


def _founded(admin: Client) -> str:
    """A pool and a company; its token."""
    admin.add_pool(wire.PoolCreate(name=POOL, product="NVIDIA H100 80GB HBM3", gap_s=2, grace_s=1))
    admin.add_company(wire.CompanyCreate(name="acme"))
    admin.set_quota("acme", POOL, wire.QuotaSet(gpus=NODES * GPUS))
    return admin.issue_token(wire.TokenIssue(role=wire.Role.COMPANY, company="acme")).secret
