"""Nobody hears the agents for a while, as all of the API is away or the database hangs: that is not their silence."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest

from deploy.local.postgres import Embedded
from dure import wire
from dure.client import Client
from dure.errors import DureError
from tests import servers
from tests.acceptance.house import House
from tests.standing_still import standing_still

pytestmark = pytest.mark.timeout(600)

POOL, PRODUCT, NODE = "h100-80gb", "NVIDIA H100 80GB HBM3", "gpu-01"
MISSED = ("unreachable", "busy")


@dataclass(frozen=True)
class Deaf:
    """One node, whose agent reports every second, and a lease that runs there."""

    house: House
    postgres: Embedded
    admin: Client
    lease: str

    def told(self) -> list[str]:
        """The types of what happened to the lease, in order."""
        return [event.type for event in self.admin.events() if event.lease == self.lease]

    def reports(self, *outcomes: str) -> float:
        series = (f'dure_agent_reports_total{{node="{NODE}",outcome="{one}"}}' for one in outcomes)
        return sum(self.house.metric(NODE, one) or 0 for one in series)

    def until_missed(self, count: int) -> None:
        """Until the agent has tried so often, and was not heard."""
        before = self.reports(*MISSED)
        self.house.until(lambda: self.reports(*MISSED) >= before + count, "the agent not to be heard")

    def until_heard(self) -> None:
        before = self.reports("ok")
        self.house.until(lambda: self.reports("ok") > before and self.answers(), "the agent to be heard again")

    def answers(self) -> bool:
        try:
            return bool(self.told())
        except (DureError, httpx.HTTPError):
            return False


def _leased(house: House, admin: Client, server: str) -> str:
    admin.add_pool(wire.PoolCreate(name=POOL, product=PRODUCT, gap_s=2, grace_s=1))
    admin.add_company(wire.CompanyCreate(name="acme"))
    admin.set_quota("acme", POOL, wire.QuotaSet(gpus=8))
    house.agent(NODE, admin.make_join_token(NODE, wire.JoinTokenIssue()).secret, server, DURE_AGENT_INTERVAL_S="4")
    house.until(lambda: house.nodes_report(admin, 1), "the node's first report")
    body = wire.Ask(company="acme", pool=POOL, shape=wire.Shape(gpus=4), duration_s=3600, notice_s=0)
    lease = admin.ask(body)
    house.until(lambda: admin.lease(lease.id).state == wire.LeaseState.ACTIVE, "the lease to start")
    return lease.id


@pytest.fixture
def deaf() -> Iterator[Deaf]:
    with ExitStack() as left:
        folder = left.enter_context(servers.folder("deaf"))
        postgres = left.enter_context(servers.migrated(folder))
        house = House(folder=folder, shared={"DURE_DATABASE_URL": postgres.url("dure")})
        left.callback(house.close)
        house.scheduler()
        house.api()
        house.until(lambda: house.metric("api", "dure_api_event_streams") is not None, "the API")
        server = f"http://{house.address('api')}"
        admin = left.enter_context(Client(server, house.admin_token(), why="a test"))
        yield Deaf(house, postgres, admin, _leased(house, admin, server))


def test_a_lease_is_whole_after_all_of_the_api_was_away_and_one_whose_agent_died_meanwhile_is_not(deaf: Deaf) -> None:
    deaf.house.kill("api")
    deaf.until_missed(3)  # an agent that doubled its pauses would not come for 16 s now
    deaf.house.again("api")
    deaf.until_heard()
    assert deaf.told() == ["lease.scheduled", "lease.active"]
    deaf.house.kill("api")
    deaf.until_missed(1)
    deaf.house.kill(NODE)
    deaf.house.again("api")
    deaf.house.until(lambda: deaf.answers() and deaf.told()[2:] == ["lease.degraded"], "the dead agent to be noticed")


def test_a_lease_is_whole_after_the_database_hung(deaf: Deaf) -> None:
    with standing_still(deaf.postgres):
        deaf.until_missed(2)
    deaf.until_heard()
    assert deaf.told() == ["lease.scheduled", "lease.active"]
