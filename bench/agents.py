"""Node agents in great number: they report as the real ones do, in the second version, each over a connection of its own.

Few instructions each, so that the machine measures the allocator; what they take of the processor is told apart.
"""

import asyncio
import gzip
import json
import random
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from bench.fleet import Node, used
from bench.load import Unexpected

WHOLE_EVERY_S = 60.0
INTERVAL_S = 10.0


class Agent(asyncio.Protocol):
    """One node's. A report is sent when the one before was answered."""

    def __init__(self, node: Node, chance: random.Random) -> None:
        self.node = node
        self._chance = chance
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, Mapping[str, str], bytes]] | None = None
        self._read = b""
        self.seq = 1_000_000
        self.base: int | None = None
        self.whole_at = 0.0
        self.health = ["ok"] * len(node.gpus)
        self.allocations: list[str] = []
        self._energy = [9_000_000_000 + chance.randrange(10**9) for _ in node.gpus]
        self._began = time.time()
        self.boot = f"boot_{node.name}"
        self._head = (
            f"POST /v1/nodes/{node.name}/reports HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {node.token}\r\n"
            "Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: "
        ).encode()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the allocator closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, there, body = self._read.partition(b"\r\n\r\n")
        if not there:
            return
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        if len(body) < int(headers["content-length"]) or self._answer is None:
            return
        self._read = b""
        self._answer.set_result((int(status.split()[1]), headers, body))

    async def taken(self, server: str, **more: Any) -> int:
        """Reports until it is taken, when it may; how often it was turned away before. Raises Unexpected."""
        turned_away = 0
        while True:
            status, headers, answer = await self.report(server, **more)
            if status == HTTPStatus.OK:
                return turned_away
            if status != HTTPStatus.SERVICE_UNAVAILABLE:
                raise Unexpected(f"a report of {self.node.name} was answered {status}: {answer[:500]!r}")
            turned_away += 1
            await asyncio.sleep(float(headers["retry-after"]))

    async def report(self, server: str, **more: Any) -> tuple[int, Mapping[str, str], bytes]:
        """Sends a report and answers what came back; `more` are further fields of it."""
        loop = asyncio.get_running_loop()
        if self._transport is None:
            host, _, port = urlsplit(server).netloc.partition(":")
            await loop.create_connection(lambda: self, host, int(port))
        self.seq += 1
        body = gzip.compress(json.dumps(self.said(**more), separators=(",", ":")).encode(), 6, mtime=0)
        self._answer = loop.create_future()
        assert self._transport is not None
        self._transport.write(self._head + f"{len(body)}\r\n\r\n".encode() + body)
        status, headers, answer = await self._answer
        if status == HTTPStatus.OK:
            self._learn(answer)
        return status, headers, answer

    def _learn(self, answer: bytes) -> None:
        found = json.loads(answer)
        self.base = None if found["whole"] else found["seq"]
        self.allocations = [held["allocation"] for held in found["allocations"]]

    def said(self, *, whole: bool = False, **more: Any) -> dict[str, Any]:
        """The next report."""
        now = time.time()
        is_whole = whole or self.base is None or now - self.whole_at >= WHOLE_EVERY_S
        seen = int((now - self._began) * 1000)
        said: dict[str, Any] = {
            "version": 2,
            "boot": self.boot,
            "seq": self.seq,
            "sent_at": round(now, 3),
            "interval_s": INTERVAL_S,
            "agent_version": "0.1.0",
            "driver_version": "570.86.15",
            "gpus": [],
            "usage": [used(one, sampled_ms=seen, busy_ms=seen * 9 // 10) for one in self.allocations],
        }
        readings = [self._reading(place) for place in range(len(self.node.gpus))]
        if is_whole:
            self.whole_at = now
            said["gpus"] = [{**self.node.reading(place), **one} for place, one in enumerate(readings)]
        else:
            said |= {"base": self.base, "changed": readings}
        return {**said, **more}

    def _reading(self, place: int) -> dict[str, object]:
        """What changes with each sample of a GPU that computes."""
        self._energy[place] += self._chance.randrange(6_000_000)
        return {
            "uuid": self.node.gpus[place],
            "health": self.health[place],
            "utilization_percent": self._chance.randrange(80, 101),
            "power_milliwatts": self._chance.randrange(400_000, 700_000),
            "energy_millijoules": self._energy[place],
            "temperature_celsius": self._chance.randrange(55, 75),
        }


def agents(nodes: Sequence[Node], seed: int = 1) -> list[Agent]:
    chance = random.Random(seed)
    return [Agent(node, chance) for node in nodes]
