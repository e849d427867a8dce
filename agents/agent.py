"""One node's agent, put together: a sampler, a reporter, a spool and a watch on the driver, each on a thread of its own, and the
probes beside them."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from queue import SimpleQueue

from agents import stages
from agents.driver import Driver
from agents.events import Event
from agents.identity.credential import Credential
from agents.metrics import exporter
from agents.metrics.exporter import AgentCollector
from agents.reporting.connection import Connection
from agents.reporting.report import Identity, Reporter, host_boot, new_boot
from agents.reporting.uplink import Uplink
from agents.sampler import Sampler
from agents.settings import Settings
from agents.spool.spool import Spool
from agents.totals import Use
from dure import probes
from dure.probes import Answer

log = logging.getLogger(__name__)

LEAVE_S = 5.0
"""How long a stopping agent waits for its last report, and for a call that hangs in the driver."""

WATCH_S = 1.0
"""How long the driver is asked at a time whether it has something to tell."""

LEAST_WATCH_S = 0.05
"""Between two events: a driver that tells of one again and again costs no more than this."""


class Agent:
    def __init__(
        self,
        settings: Settings,
        driver: Driver,
        *,
        node: str,
        credential: Credential,
        version: str,
        leave_s: float = LEAVE_S,
    ) -> None:
        self._node = node
        self._settings = settings
        self._driver = driver
        self._leave_s = leave_s
        self._stop = threading.Event()
        self._endings: SimpleQueue[bool] = SimpleQueue()
        self._connection = Connection(settings.server)
        # What the settings say wrongly is an error before anything is opened.
        self._stages = stages.made(settings, self._record, host_boot=host_boot())
        boot = new_boot()
        self._spool = Spool(settings.state, boot=boot, totals=self._totals, mib=settings.spool_mib)
        self._sampler = Sampler(driver, sample_s=settings.sample_s, stages=self._stages.in_order)
        self._reporter = Reporter(
            self._sampler,
            Uplink(self._connection, node=node, credential=credential, monotonic=time.monotonic, now=time.time),
            identity=Identity(boot=boot, host_boot=host_boot(), agent_version=version),
            interval_s=settings.interval_s,
            untold=self._spool.untold,
        )
        self._sampler.tell(self._sampled)
        self._collector = AgentCollector(
            self._sampler,
            self._reporter,
            node=node,
            version=version,
            xids=self._stages.xids,
            kept=self._spool,
            clock_ahead_s=lambda: self._reporter.clock_offset_s,
        )

    def stop(self) -> None:
        """Ends `run`; may be called from a signal handler, where no lock may be taken."""
        self._endings.put(True)

    def run(self) -> bool:
        """Works until `stop`; false if a thread died. Raises OSError if the port is taken."""
        routes = {
            "/metrics": exporter.route(self._collector),
            "/healthz": lambda _: probes.text(200, "ok"),
            "/readyz": self._readyz,
        }
        served = self._served(routes)
        works = {
            "sampler": self._sampler.run,
            "reporter": self._reporter.run,
            "spool": self._spool.run,
            "watch": self._watch,
            **{name: beside.run for name, beside in self._stages.beside.items()},
        }
        threads = [self._thread(name, work) for name, work in works.items()]
        about = {"action": "agent.started", "server": self._settings.server, "port": served.port}
        log.info("the agent of %s started", self._node, extra=about)
        well = self._endings.get()
        self._stop.set()
        self._sampler.wake()
        self._sampled()
        for beside in self._stages.beside.values():
            beside.wake()
        until = time.monotonic() + self._leave_s
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._stages.close()
        served.close()
        self._connection.close()
        # What hangs in its own thread, the driver or the disk, would hang in ours too; the process ends without it.
        if not any(thread.is_alive() for thread in threads):
            self._spool.close(self._reporter.untold())
            self._driver.close()
        log.info("the agent stopped", extra={"action": "agent.stopped"})
        return well

    def _served(self, routes: Mapping[str, probes.Route]) -> probes.Probes:
        host, port = self._settings.host, self._settings.port
        try:
            return probes.serve(port, host=host, routes=routes)
        except OSError as error:
            raise OSError(
                f"{host}:{port} cannot be listened on: {error.strerror}; say another DURE_AGENT_PORT"
            ) from error

    def _record(self, event: Event) -> None:
        self._spool.record(event)

    def _totals(self) -> list[Use]:
        return self._sampler.totals.usage()

    def _sampled(self) -> None:
        self._reporter.wake()
        self._spool.wake()

    def _watch(self, stop: threading.Event) -> None:
        """Has a sample taken as soon as the driver tells of something."""
        while not stop.is_set():
            began = time.monotonic()
            if self._driver.wait(WATCH_S):
                self._sampler.wake()
                stop.wait(LEAST_WATCH_S)
            else:
                stop.wait(WATCH_S - (time.monotonic() - began))

    def _thread(self, name: str, work: Callable[[threading.Event], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                work(self._stop)
            except Exception:
                log.critical("the %s died", name, exc_info=True, extra={"action": "agent.died", "part": name})
                self._endings.put(False)

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        thread.start()
        return thread

    def _readyz(self, _: str) -> Answer:
        """Ready: the GPUs answer, and the newest report was taken."""
        silent_s = self._sampler.silent_s
        if self._sampler.newest is None:
            return probes.text(503, "the GPUs have not answered yet")
        if silent_s is not None:
            return probes.text(503, f"the GPUs have not answered for {silent_s:.0f} s")
        if self._reporter.trouble is not None:
            return probes.text(503, f"the newest report was not taken: {self._reporter.trouble}")
        return probes.text(200, "ready") if self._reporter.last_ok_at else probes.text(503, "no report was taken yet")
