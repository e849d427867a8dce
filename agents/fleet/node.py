"""One node of a fleet: the same sampler and reporter as an agent's, without threads of their own."""

import time
from dataclasses import dataclass
from pathlib import Path

from agents import stages
from agents.identity.credential import Credential
from agents.reporting.connection import Connection
from agents.reporting.report import Identity, Reporter, new_boot
from agents.reporting.uplink import Uplink
from agents.sampler import Sampler
from agents.scenario import Scenario
from agents.settings import Settings
from agents.simulated import SimulatedDriver
from agents.spool.untold import Untold


@dataclass(slots=True, kw_only=True, eq=False)
class FleetNode:
    """`waits` while it stands in the line of those that may have something to say, and while it says it."""

    name: str
    driver: SimulatedDriver
    sampler: Sampler
    reporter: Reporter
    waits: bool = False

    def sample(self) -> None:
        """A driver that hangs would hang all nodes, so it is not asked; what it said before grows old, as it does on a real node."""
        if not self.driver.stalled:
            self.sampler.step()


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What the nodes of a fleet have in common."""

    connection: Connection
    scenario: Scenario
    sample_s: float
    interval_s: float
    version: str

    def node(self, name: str, token: Path) -> FleetNode:
        driver = SimulatedDriver(self.scenario, node=name)
        # Nothing is kept on disk: what a node had to tell, and its verdicts, end with the process. Ids of events begin at the time, as an
        # agent's do, so that a fleet that is started anew counts on.
        untold = Untold(int(time.time() * 1000))
        made = stages.made(Settings(sample_s=self.sample_s), untold.add, host_boot=None)
        sampler = Sampler(driver, sample_s=self.sample_s, stages=made.in_order)
        credential = Credential(token)
        uplink = Uplink(self.connection, node=name, credential=credential, monotonic=time.monotonic, now=time.time)
        identity = Identity(boot=new_boot(), agent_version=self.version)
        reporter = Reporter(sampler, uplink, identity=identity, interval_s=self.interval_s, untold=untold)
        return FleetNode(name=name, driver=driver, sampler=sampler, reporter=reporter)
