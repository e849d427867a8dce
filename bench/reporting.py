"""Agents stood in for: every node reports on time over HTTP and shows its GPUs empty once it knows that a lease ended.

Sent from a few threads here instead of a process a node, so that the machine measures the scheduler and not the agents.
"""

import gzip
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Event

from bench.fleet import INTERVAL_S, Node, used
from bench.load import Connection, threads

THREADS = 4


class Reporting:
    """The reports that are being sent."""

    def __init__(self, running: Sequence[Future[None]]) -> None:
        self._running = running

    def check(self) -> None:
        """Raises what ended a thread."""
        for found in self._running:
            if found.done():
                found.result()


@contextmanager
def reporting(server: str, nodes: Sequence[Node]) -> Iterator[Reporting]:
    """Reports of all nodes, spread over the interval, until the `with` is left."""
    shares = [nodes[k::THREADS] for k in range(THREADS)]
    with threads(THREADS) as (pool, stop):
        yield Reporting([pool.submit(_report, server, share, stop) for share in shares if share])


def _report(server: str, nodes: Sequence[Node], stop: Event) -> None:
    agents = [_Agent(Connection(server, node.token), node) for node in nodes]
    began, step_s = time.monotonic(), INTERVAL_S / len(agents)
    turn = 0
    while not stop.wait(max(0.0, began + turn * step_s - time.monotonic())):
        agents[turn % len(agents)].report()
        turn += 1


class _Agent:
    def __init__(self, connection: Connection, node: Node) -> None:
        self._connection = connection
        self._node = node
        self._seq = 1
        self._ended: list[str] = []
        self._running: dict[str, float] = {}

    def report(self) -> None:
        """Once, and again at once if the answer says that a lease is over: its GPU is empty already."""
        if set(self._ended) < set(self._send()):
            self._send()

    def _send(self) -> list[str]:
        """Answers which allocations are over and not yet proved so."""
        self._seq += 1
        body = self._node.report(seq=self._seq, knew_ended=self._ended, usage=self._usage())
        headers = {"Content-Encoding": "gzip"}
        path = f"/v1/nodes/{self._node.name}/reports"
        answer = self._connection.post(path, gzip.compress(body, 6, mtime=0), status=200, headers=headers)
        known, self._running = self._running, {}
        self._ended = []
        for held in json.loads(answer)["allocations"]:
            if held["ended"]:
                self._ended.append(held["allocation"])
            else:
                self._running[held["allocation"]] = known.get(held["allocation"], time.monotonic())
        return self._ended

    def _usage(self) -> list[dict[str, object]]:
        now = time.monotonic()
        seen = {held: int((now - since) * 1000) for held, since in self._running.items()}
        return [used(held, sampled_ms=ms, busy_ms=ms * 9 // 10) for held, ms in seen.items()]
