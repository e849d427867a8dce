"""Resident memory: of a running agent, and of interpreters that load the modules that it needs and those that it does not."""

import gzip
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench import machine
from bench.figures import median

SAMPLE_S = 0.05
SAMPLES = 60
RUNS = 3

NEEDED = (
    ("json, socket", ("json", "socket")),
    ("logging, argparse, threading, gzip", ("logging", "argparse", "threading", "gzip")),
    ("pynvml", ("pynvml",)),
    ("http.client, ssl, http.server", ("http.client", "ssl", "http.server")),
    ("urllib.request, secrets, importlib.metadata", ("urllib.request", "secrets", "importlib.metadata")),
    ("h2", ("h2.connection",)),
)
"""What the agent cannot do without: its log and settings, NVML, reports over TLS and through proxies, /metrics, and the kubelet's gRPC."""

DROPPED = (
    ("prometheus_client", "prometheus_client"),
    ("grpc", "grpc"),
    ("protobuf", "google.protobuf.descriptor_pb2"),
    ("httpx", "httpx"),
    ("pydantic", "pydantic"),
)
"""What others would take for the same."""

_LOAD = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
for line in open("/proc/self/status"):
    if line.startswith("VmRSS:"):
        print(line.split()[1])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """MiB of an interpreter with all `modules`; `steps` says what each takes, or why it could not be loaded."""

    total: float
    modules: tuple[str, ...]
    steps: Mapping[str, float | str]


class Running:
    """A process whose memory is asked."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def mib(self) -> float:
        return _mib(f"/proc/{self._pid}/status")


def own_mib() -> float:
    return _mib("/proc/self/status")


def floor(environ: Mapping[str, str]) -> Memory:
    """Each module in an interpreter that was started for it."""
    loaded: tuple[str, ...] = ()
    steps: dict[str, float | str] = {"(nothing)": _loaded(environ, ())}
    for name, modules in NEEDED:
        loaded += modules
        steps[f"+ {name}"] = _loaded(environ, loaded)
    total = _loaded(environ, loaded)
    for name, module in DROPPED:
        steps[f"not {name}"] = _more(environ, loaded, module, total)
    return Memory(total=total, modules=loaded, steps=steps)


@contextmanager
def agent(environ: Mapping[str, str]) -> Iterator[Running]:
    """`python -m agents` that has taken so many samples and told of them to somebody who takes every report."""
    with tempfile.TemporaryDirectory(prefix="dure-bench-") as folder, _allocator() as server:
        token = Path(folder) / "token"
        token.write_text("a-token")
        settings = {"SERVER": server, "NODE": "node-1", "TOKEN_FILE": str(token), "PORT": "0", "STATE": folder}
        often = {"SAMPLE_S": str(SAMPLE_S), "INTERVAL_S": "0.5", "LOG_LEVEL": "WARNING"}
        ours = {f"DURE_AGENT_{name}": value for name, value in {**settings, **often}.items()}
        process = subprocess.Popen([sys.executable, "-m", "agents"], cwd=machine.TREE, env={**environ, **ours})
        try:
            # So many samples, and as long again for it to start.
            time.sleep(2 * SAMPLES * SAMPLE_S + 2)
            if process.poll() is not None:
                raise RuntimeError(f"the agent ended with {process.returncode}")
            yield Running(process.pid)
        finally:
            process.terminate()
            process.wait(timeout=30)


@contextmanager
def _allocator() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Taking)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class _Taking(BaseHTTPRequestHandler):
    """Takes every report, and knows of no lease."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        packed = self.headers.get("Content-Encoding") == "gzip"
        seq = json.loads(gzip.decompress(body) if packed else body)["seq"]
        answer = json.dumps({"server_time": time.time(), "seq": seq, "allocations": [], "whole": False}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _more(environ: Mapping[str, str], loaded: Sequence[str], module: str, total: float) -> float | str:
    try:
        return _loaded(environ, (*loaded, module)) - total
    except subprocess.CalledProcessError:
        return "not installed"


def _loaded(environ: Mapping[str, str], modules: Sequence[str]) -> float:
    """The median of a few, after one that compiles what was not compiled yet."""
    found = [_load(environ, modules) for _ in range(RUNS + 1)]
    return median(found[1:])


def _load(environ: Mapping[str, str], modules: Sequence[str]) -> float:
    arguments = [sys.executable, "-c", _LOAD, *modules]
    done = subprocess.run(arguments, env=environ, capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024


def _mib(status: str) -> float:
    line = next(line for line in Path(status).read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
