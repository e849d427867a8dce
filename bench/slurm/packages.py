"""Debian's Slurm: whether it is there, and its installation without any of its daemons being started by it.

Only its programs are used. Nothing under /etc is read or written, and the daemons are never services of this machine.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

PACKAGES = ("slurm-wlm", "slurm-client", "slurmctld", "slurmd", "slurm-wlm-basic-plugins", "munge")
EMULATOR = "slurm-wlm-emulator"
POLICY = Path("/usr/sbin/policy-rc.d")
NO_DAEMONS = "#!/bin/sh\n# Dure's bench installs Slurm.\nexit 101\n"
"""What invoke-rc.d understands as: start nothing (Debian's policy-rc.d specification)."""
INSTALL_S = 900


class SlurmMissing(Exception):
    """Slurm cannot be measured here; the text says what is missing and what to type."""


def ensure() -> str:
    """Installs what is missing, as root on Debian; answers Slurm's version. Raises SlurmMissing."""
    if absent := missing(_states()):
        _refuse_to_install(absent)
        _install()
    states = _states()
    if absent := missing(states):
        raise SlurmMissing(f"apt-get ended well, but {', '.join(absent)} is not installed")
    if states.get(EMULATOR):
        raise SlurmMissing(f"{EMULATOR} has taken the names slurmctld and slurmd: apt-get remove {EMULATOR}")
    return states["slurm-wlm"]


def missing(states: Mapping[str, str]) -> list[str]:
    """The packages that are not installed; `states` are versions by name, empty where only the name is known."""
    return [name for name in PACKAGES if not states.get(name)]


def installed(listing: str) -> dict[str, str]:
    """Versions from `dpkg-query`'s lines `name<TAB>ii <TAB>version`; what is not installed whole has an empty one."""
    lines = [line.split("\t") for line in listing.splitlines() if line]
    return {name: version if status.strip() == "ii" else "" for name, status, version in lines}


def _states() -> dict[str, str]:
    form = "${Package}\t${db:Status-Abbrev}\t${Version}\n"
    try:
        done = subprocess.run(
            ["dpkg-query", "-W", "-f", form, *PACKAGES, EMULATOR], capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise SlurmMissing("this is not Debian: there is no dpkg-query, and only Debian's Slurm is measured") from error
    return installed(done.stdout)


def _refuse_to_install(absent: Sequence[str]) -> None:
    named = f"Slurm is not installed (missing: {', '.join(absent)})"
    if "ID=debian" not in Path("/etc/os-release").read_text().splitlines():
        raise SlurmMissing(f"{named}, and it is installed on Debian alone")
    if os.geteuid() != 0:
        typed = f"apt-get install --no-install-recommends {' '.join(PACKAGES)}"
        raise SlurmMissing(f"{named}: run this as root once, or as root `{typed}`")


def _install() -> None:
    print(f"installing {' '.join(PACKAGES)}", flush=True)
    with policy(POLICY, NO_DAEMONS):
        _apt("update")
        _apt("install", "-y", "--no-install-recommends", *PACKAGES)


@contextmanager
def policy(path: Path, text: str) -> Iterator[None]:
    """`text` stands in `path` as a program for the while; what stood there before is put back, or the file is removed.

    The old file waits beside it under another name, so that a run that was killed is put right by the next one.
    """
    kept = path.with_name(f"{path.name}.before-dure-bench")
    if path.exists() and not kept.exists() and path.read_text() != text:
        path.rename(kept)
    try:
        path.write_text(text)
        path.chmod(0o755)
        yield
    finally:
        path.unlink(missing_ok=True)
        if kept.exists():
            kept.rename(path)


def _apt(*arguments: str) -> None:
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        ["apt-get", *arguments], env=environ, capture_output=True, text=True, timeout=INSTALL_S, check=False
    )
    if done.returncode:
        raise SlurmMissing(f"apt-get {arguments[0]} ended with {done.returncode}:\n{done.stdout[-1000:]}{done.stderr}")
