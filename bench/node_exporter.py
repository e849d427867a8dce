"""Debian's node_exporter, to compare with: fetched once as a package, unpacked into a cache, and never installed."""

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGE = "prometheus-node-exporter"
PROGRAM = Path("usr/bin") / PACKAGE
START_S = 30.0


class Missing(Exception):
    """It cannot be had here; the text says why."""


def cpu_ms(scrapes: int) -> float:
    """Processor time of one scrape, as the mean of so many. Raises Missing."""
    with _running(_program()) as (pid, url):
        for _ in range(3):
            _scrape(url)
        before = _cpu_s(pid)
        for _ in range(scrapes):
            _scrape(url)
        return (_cpu_s(pid) - before) * 1000 / scrapes


def _program() -> Path:
    installed = Path("/") / PROGRAM
    if installed.exists():
        return installed
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dure" / PACKAGE
    if not (folder / PROGRAM).exists():
        _fetch(folder)
    return folder / PROGRAM


def _fetch(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _run("apt-get", "download", PACKAGE, cwd=folder)
        package = max(folder.glob(f"{PACKAGE}_*.deb"))
        _run("dpkg", "-x", str(package), str(folder), cwd=folder)
    except (OSError, ValueError) as error:
        raise Missing(f"{PACKAGE} cannot be fetched here: {error}") from error


def _run(*arguments: str, cwd: Path) -> None:
    done = subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"{' '.join(arguments[:2])} ended with {done.returncode}: {done.stderr.strip()[-200:]}")


@contextmanager
def _running(program: Path) -> Iterator[tuple[int, str]]:
    port = _free_port()
    process = subprocess.Popen(
        [program, f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}/metrics"
    try:
        _wait(url)
        yield process.pid, url
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(url: str) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        try:
            return _scrape(url)
        except urllib.error.URLError:
            time.sleep(0.05)
    raise Missing(f"it did not answer within {START_S:.0f} s")


def _scrape(url: str) -> None:
    with urllib.request.urlopen(url, timeout=30) as answer:
        answer.read()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
