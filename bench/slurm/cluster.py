"""The two set-ups running: munged, slurmctld and, where nodes are real, a slurmd each, in a fresh folder on the loopback."""

import os
import pwd
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.gangs import GPUS_PER_NODE
from bench.slurm import configuration, enclosure
from bench.slurm.commands import Commands
from bench.slurm.configuration import HOST, Site
from bench.slurm.enclosure import daemon
from deploy.local.children import Child
from deploy.local.postgres import tail

HOLDS = "#!/bin/sh\nexec sleep 86400\n"
ENDS_AT_ONCE = "#!/bin/sh\nexit 0\n"
SBIN = Path("/usr/sbin")
READY_S = 120.0
LOOK_S = 0.1


class NotReady(Exception):
    """A daemon of Slurm's did not come up; the text has its last words."""


class Cluster:
    """A running Slurm. `holding` submits jobs that hold their GPUs, `ending` those that end as soon as they start."""

    def __init__(self, environ: dict[str, str], folder: Path, controller: Child) -> None:
        self._controller = controller
        self.holding = Commands(environ, _script(folder / "holds.sh", HOLDS))
        self.ending = Commands(environ, _script(folder / "ends.sh", ENDS_AT_ONCE))

    def busy_s(self) -> float:
        """Processor seconds that slurmctld has used."""
        return enclosure.busy_s(self._controller)


@contextmanager
def cloud(*, nodes: int, interval_s: int) -> Iterator[Cluster]:
    """So many nodes of 8 GPUs that never boot, and no slurmd; the queue is planned every `interval_s` seconds."""
    with ExitStack() as left:
        folder = _folder(left)
        port, node_port = _free_ports(2)
        site = _site(folder, port)
        site.conf.write_text(configuration.cloud(site, nodes=nodes, node_port=node_port, interval_s=interval_s))
        yield _controlled(left, site, nodes, [])


@contextmanager
def real(*, nodes: int, interval_s: int) -> Iterator[Cluster]:
    """So many slurmds with 8 files for GPUs each."""
    with ExitStack() as left:
        folder = _folder(left)
        port, *node_ports = _free_ports(nodes + 1)
        site = _site(folder, port)
        site.conf.write_text(configuration.real(site, node_ports=node_ports, interval_s=interval_s))
        (folder / "gres.conf").write_text(configuration.gres(_gpu_files(folder)))
        yield _controlled(left, site, nodes, configuration.node_names(nodes))


def _folder(left: ExitStack) -> Path:
    """Directly under /tmp, where no path is too long for a socket; removed last."""
    folder = Path(tempfile.mkdtemp(prefix="dure-slurm-", dir="/tmp"))
    left.callback(shutil.rmtree, folder, ignore_errors=True)
    # munged insists that everybody can reach its socket.
    folder.chmod(0o711)
    for name in ("state", "spool", "bin"):
        (folder / name).mkdir()
    # Slurm reads the GPUs of its nodes only in a program with exactly these names; Debian's files have others.
    for name in ("slurmctld", "slurmd"):
        (folder / "bin" / name).symlink_to(SBIN / f"{name}-wlm")
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(128))
    return folder


def _site(folder: Path, port: int) -> Site:
    host = socket.gethostname().partition(".")[0]
    return Site(folder=folder, host=host, user=pwd.getpwuid(os.geteuid()).pw_name, port=port)


def _controlled(left: ExitStack, site: Site, nodes: int, slurmds: list[str]) -> Cluster:
    """Answers when all nodes can take a job."""
    environ = {"PATH": os.environ["PATH"], "TZ": "UTC", "SLURM_CONF": str(site.conf)}

    def start(name: str, *command: str) -> Child:
        log = site.folder / f"{name}.out"
        return left.enter_context(daemon(name, command, environ=environ, folder=site.folder, log=log))

    munged = start("munged", str(SBIN / "munged"), *_munged(site))
    _until(site.munge.exists, [munged])
    controller = start("slurmctld", str(site.folder / "bin" / "slurmctld"), "-D", "-f", str(site.conf))
    daemons = [munged, controller]
    for name in slurmds:
        command = (str(site.folder / "bin" / "slurmd"), "-D", "-N", name, "-f", str(site.conf))
        daemons.append(start(name, *command))
    found = Cluster(environ, site.folder, controller)
    _until(lambda: found.holding.idle_nodes() == nodes, daemons)
    return found


def _munged(site: Site) -> list[str]:
    files = {"socket": site.munge.name, "key-file": "munge.key", "pid-file": "munged.pid", "seed-file": "munged.seed"}
    return ["--foreground", "--num-threads=4", *(f"--{name}={site.folder / file}" for name, file in files.items())]


def _gpu_files(folder: Path) -> Path:
    files = folder / "gpus"
    files.mkdir()
    for number in range(GPUS_PER_NODE):
        (files / f"gpu{number}").touch()
    return files


def _script(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def _free_ports(count: int) -> list[int]:
    """Held together, so that they differ."""
    with ExitStack() as left:
        probes = [left.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]


def _until(ready: Callable[[], bool], daemons: list[Child]) -> None:
    until = time.monotonic() + READY_S
    while not ready():
        for child in daemons:
            if child.exited() is not None or time.monotonic() > until:
                raise NotReady(f"{child.name} did not come up:\n{tail(child.log)}")
        time.sleep(LOOK_S)
