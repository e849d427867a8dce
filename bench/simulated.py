"""What simulated nodes cost: one reading, one sample, one scrape of `/metrics`, and a whole fleet in one process for a second of a node.

Processor time, so what else the machine does moves little of it. The allocator that the fleet reports to is a bare server of the
bench, which takes everything: what is measured is the agents' side.
"""

import json
import re
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily

from agents.health.stage import Judging
from agents.metrics import exporter
from agents.metrics.exporter import AgentCollector
from agents.sampler import Sampler
from agents.scenario import Scenario
from agents.simulated import SimulatedDriver
from agents.snapshot import GpuSnapshot
from bench import machine
from bench.figures import times
from bench.results import Result, Row

NODES = 1250
CUT = Scenario(mig=("1g.10gb",) * 7)
SEQ = re.compile(rb'"seq": ?(\d+)')


class _Idle:
    outcomes: Counter[Any] = Counter()
    last_ok_at = None


def measure(*, seconds: float) -> Result:
    """`seconds` for each line, and ten times that for the fleet."""
    described = machine.described()
    driver = SimulatedDriver(Scenario(), node="node-1")
    gpu = driver.read().gpus[0]
    known = {name: getattr(gpu, name) for name in GpuSnapshot.__dataclass_fields__}
    sampler = Sampler(driver, sample_s=1.0, stages=[Judging()])
    sampler.step()
    page = _scraped(Scenario())
    timed = {
        "8 snapshots, made": lambda: [GpuSnapshot(**known) for _ in range(8)],
        "reading of 8 GPUs": driver.read,
        "sample of 8 GPUs, judged": sampler.step,
        "scrape of 8 GPUs": page,
        "the same by generate_latest": _by_the_library(page().body.decode()),
        "scrape of 8 x 7 instances": _scraped(CUT),
    }
    took = {name: _cpu_us(call, seconds) for name, call in timed.items()}
    fleet = _fleet(seconds * 10)
    took[f"a second of a node, of {NODES}"] = float(fleet["cpu_us_a_node_second"])
    floor = took["8 snapshots, made"]
    rows: list[Row] = [{"what": name, "x made": times(us, floor), "us": us} for name, us in took.items()]
    notes: Row = {name: fleet[name] for name in ("cores", "samples", "skipped", "late_ms", "worst_late_ms")}
    return Result(
        measure="fleet", settings={"nodes": NODES, "seconds": seconds}, machine=described, rows=rows, notes=notes
    )


def _scraped(scenario: Scenario) -> Callable[[], Any]:
    sampler = Sampler(SimulatedDriver(scenario, node="node-1"), sample_s=1e6, stages=[Judging()])
    sampler.step()
    page = exporter.route(AgentCollector(sampler, _Idle(), node="node-1", version="0"))
    return lambda: page("")


def _by_the_library(page: str) -> Callable[[], bytes]:
    """As many series with as many labels, of which the client library writes the text."""
    lines = [line for line in page.splitlines() if not line.startswith("#")]
    families: dict[str, GaugeMetricFamily] = {}
    for line in lines:
        name, _, rest = line.partition("{")
        told = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        family = families.setdefault(name, GaugeMetricFamily(name, "About it.", labels=tuple(told)))
        family.add_metric(tuple(told.values()), float(line.rpartition(" ")[2]))

    class Theirs(CollectorRegistry):
        def collect(self) -> Iterator[Any]:
            return iter(families.values())

    registry = Theirs()
    return lambda: generate_latest(registry)


def _cpu_us(call: Callable[[], object], seconds: float) -> float:
    call()
    began, until, count = time.process_time(), time.monotonic() + seconds, 0
    while time.monotonic() < until:
        call()
        count += 1
    return (time.process_time() - began) / count * 1e6


def _fleet(seconds: float) -> dict[str, Any]:
    """The last line of a fleet that ran for so long."""
    with tempfile.TemporaryDirectory() as folder, _taking_everything() as server:
        tokens = Path(folder) / "tokens"
        tokens.write_text("".join(f"node-{at}\tbench\n" for at in range(1, NODES + 1)))
        wanted = ["--server", server, "--tokens", str(tokens), "--nodes", str(NODES), "--for", str(seconds)]
        done = subprocess.run(
            [sys.executable, "-m", "agents.fleet", *wanted],
            cwd=machine.TREE,
            capture_output=True,
            text=True,
            check=True,
        )
    return json.loads(done.stderr.splitlines()[-1])


@contextmanager
def _taking_everything() -> Iterator[str]:
    class Taking(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer in two packets waits for the acknowledgement of the first

        def do_POST(self) -> None:
            report = zlib.decompress(self.rfile.read(int(self.headers["Content-Length"])), 31)
            found = SEQ.search(report)
            seq = int(found[1]) if found else 0
            answer = json.dumps({"server_time": time.time(), "seq": seq, "allocations": []}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
