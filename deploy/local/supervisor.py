"""Brings everything up in order, keeps it alive, and takes it down in the opposite order with nothing left running.

It knows processes, ports and files; it must not know what a lease is. What it asks of the running server, it asks
through the `dure` CLI.
"""

import logging
import os
import sys
import time
from collections.abc import Sequence
from threading import Event

from deploy.local import clusters, commands, enrolment, example, greeting, leftovers, ports, readiness
from deploy.local.children import Child, Part, Watch
from deploy.local.cli import Cli
from deploy.local.commands import Ended
from deploy.local.folder import Folder
from deploy.local.locks import Lock
from deploy.local.postgres import Embedded, tail
from deploy.local.processes import TREE, Processes
from deploy.local.settings import LocalSettings
from deploy.local.trouble import CannotStart

log = logging.getLogger("deploy.local")

DATABASE = "dure"
LOOK_S = 0.2
READY_S = 120.0
STOPS_IN_ORDER = ("agent", "scheduler", "api", "postgres")


class Supervisor:
    """One run, from `run` until `ending` is set."""

    def __init__(self, settings: LocalSettings, ending: Event) -> None:
        self._settings = settings
        self._ending = ending
        self._folder = Folder(settings.data.expanduser().absolute())
        self._watches: list[Watch] = []
        self._server = f"http://{ports.HOST}:{settings.api_port}"
        self._ready = False

    def run(self) -> None:
        """Returns when it was told to end and everything has ended. Raises CannotStart, with nothing left running."""
        self._folder.make()
        held = f"process {{pid}} already runs Dure on {self._folder.root}: use that one, or another DURE_LOCAL_DATA"
        lock = Lock(self._folder.lock, held=held).take()
        try:
            self._clear()
            self._up()
            self._keep()
        except Ended:
            pass
        finally:
            self._down()
            lock.release()

    def _clear(self) -> None:
        """Ends what a killed supervisor left, then refuses ports that somebody else has."""
        record = leftovers.read(self._folder.running)
        if record:
            for part in leftovers.end(leftovers.in_order(record.parts, STOPS_IN_ORDER)):
                log.info("ended-leftover %s (process %d) of a supervisor that was killed", part.name, part.pid)
        ports.refuse_taken(self._settings.ports)
        self._folder.turn_logs()

    def _up(self) -> None:
        processes = Processes(settings=self._settings, folder=self._folder, database_url=self._database())
        log.info("bringing the schema up to date")
        for step in (["migrate"], ["admin-token", str(self._folder.admin_token)]):
            command = [sys.executable, "-m", "scheduler", *step]
            commands.run(command, environ=processes.environ(), folder=TREE, ending=self._ending)
        log.info("starting the API and the scheduler")
        began = int(time.time())
        self._launch([processes.api(), processes.scheduler()])
        self._await([self._settings.api_port, self._settings.scheduler_port])
        dure = Cli(processes=processes, ending=self._ending)
        log.info("starting %d simulated nodes of %d GPUs", self._settings.nodes, self._settings.gpus)
        with_example = self._settings.example and example.make(dure, self._folder)
        enrolment.enrol(dure, self._folder, self._settings.node_names)
        self._launch([processes.agent(node) for node in self._settings.node_names])
        self._await([processes.agent_port(node) for node in self._settings.node_names])
        enforced = clusters.said(dure, os.environ, self._ending, began=began)
        print(greeting.text(processes, with_example=with_example, clusters=enforced), flush=True)
        self._ready = True
        self._record()

    def _database(self) -> str:
        if self._settings.database_url:
            return self._settings.database_url
        log.info("starting PostgreSQL on %s", self._folder.postgres)
        server = Embedded(self._folder.postgres, log=self._folder.log("postgres"))
        server.start()
        self._watches.append(Watch(part=server))
        self._record()
        server.create(DATABASE)
        return server.url(DATABASE)

    def _launch(self, children: Sequence[Child]) -> None:
        for child in children:
            child.launch()
            self._watches.append(Watch(part=child))
            self._record()

    def _await(self, waited: Sequence[int]) -> None:
        """Returns when all the ports say ready. A process that dies before it was ready once has a cause to be read."""
        deadline = time.monotonic() + READY_S
        while waited := [port for port in waited if not readiness.is_ready(port)]:
            if self._ending.wait(LOOK_S):
                raise Ended
            for part in (watch.part for watch in self._watches):
                if (status := part.exited()) is not None:
                    raise CannotStart(f"{part.name} ended with {status} (log: {part.log}):\n{tail(part.log)}")
            if time.monotonic() > deadline:
                raise CannotStart(f"not ready after {READY_S:.0f} s: port {waited[0]} (logs: {self._folder.logs})")

    def _keep(self) -> None:
        while not self._ending.wait(LOOK_S):
            for watch in self._watches:
                self._tend(watch, time.monotonic())

    def _tend(self, watch: Watch, now: float) -> None:
        if watch.again_at is None and (status := watch.part.exited()) is not None:
            pause = watch.died(now)
            log.warning("died %s with %d; again in %.1f s (log: %s)", watch.part.name, status, pause, watch.part.log)
        elif watch.due(now):
            try:
                watch.part.launch()
            except (CannotStart, OSError) as error:
                log.warning("failed %s: %s; again in %.1f s", watch.part.name, error, watch.died(now))
                return
            watch.started(now)
            self._record()
            log.info("started-again %s (process %s)", watch.part.name, watch.part.pid)

    def _record(self) -> None:
        parts = [(watch.part.name, watch.part.pid) for watch in self._watches]
        found = [leftovers.running(name, pid) for name, pid in parts if pid]
        record = leftovers.Record(
            supervisor=os.getpid(),
            server=self._server,
            ready=self._ready,
            parts=tuple(part for part in found if part),
        )
        leftovers.write(self._folder.running, record)

    def _down(self) -> None:
        parts: list[Part] = [watch.part for watch in self._watches]
        if parts:
            log.info("ending everything; what is leased stays in %s", self._folder.root)
        for name in STOPS_IN_ORDER:
            group = [part for part in parts if part.name.startswith(name)]
            for part in group:
                if isinstance(part, Child):
                    part.ask_to_stop()
            for part in group:
                part.stop()
        self._folder.running.unlink(missing_ok=True)
        if parts:
            log.info("ended: nothing is left running")
