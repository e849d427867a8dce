"""A place for a real node: PIDs and mounts of its own, of which the kernel leaves nothing when its first process ends.

Containers, their shims and their mounts go with it, whoever is killed. The network is the machine's: the node's servers
listen on the loopback, and its pods have addresses that lead nowhere else.
"""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from deploy.local.children import Child
from tests.cluster import daemons

UNSHARE = ("unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child=KILL", "--")

TUNED = (
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "net/ipv4/ip_forward",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)
"""What a kubelet and its network plugin set for the whole machine; in there they write to files of ours."""

FIRST = """
mount --make-rshared /
for path in /run /var/lib /var/log; do mount -t tmpfs tmpfs $path; done
mkdir -p /var/lib/kubelet
mount --bind "$1/kubelet" /var/lib/kubelet
folder=$1; shift
for name in "$@"; do
    own="$folder/sys/$name"
    mkdir -p "$(dirname "$own")"
    cat "/proc/sys/$name" > "$own"
    mount --bind "$own" "/proc/sys/$name"
done
touch "$folder/enclosed"
while :; do sleep 3600 & wait $!; done
"""
"""The first process: what nobody waits for is its to wait for."""


class Enclosure:
    """Runs commands inside. `pid` is its first process as the machine counts."""

    def __init__(self, folder: Path, pid: int) -> None:
        self.folder = folder
        self.pid = pid

    def start(self, name: str, command: Sequence[str | Path], environ: dict[str, str]) -> Child:
        """Like `daemons.start`."""
        return daemons.start(name, [*self._enter(), *command], folder=self.folder, environ=environ)

    def run(self, command: Sequence[str | Path], environ: dict[str, str]) -> str:
        """What it prints. Raises subprocess.CalledProcessError."""
        done = subprocess.run([*self._enter(), *command], env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            raise daemons.NotReady(f"{' '.join(map(str, command))}: {done.stderr}")
        return done.stdout

    def _enter(self) -> list[str]:
        return ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--"]


def why_not() -> str | None:
    """What keeps us from having one here; None for nothing."""
    tried = subprocess.run(
        [*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/run"], capture_output=True, text=True, check=False
    )
    return f"namespaces of mounts and PIDs are not to be had: {tried.stderr.strip()}" if tried.returncode else None


@contextmanager
def enclosure(folder: Path) -> Iterator[Enclosure]:
    """In there `folder/kubelet` is `/var/lib/kubelet`. When it is left, all that was started in it is gone."""
    (folder / "kubelet").mkdir()
    first = daemons.start("enclosure", [*UNSHARE, "sh", "-euc", FIRST, "sh", folder, *TUNED], folder=folder)
    try:
        daemons.until((folder / "enclosed").exists, [first], within_s=60, what="the enclosure")
        yield Enclosure(folder, psutil.Process(first.pid).children()[0].pid)
    finally:
        daemons.kill(first)
