"""`python -m bench.arrivals FILE`: asks sent over HTTP at a steady rate, from a process of its own, until SIGTERM.

It sends on time whatever the answers take, as many companies would. FILE says where to and as whom. It prints a line as
it begins, and at the end one that says how many were answered, and how long that took.
"""

import json
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event

from bench.figures import percentile
from bench.gangs import gangs
from bench.load import Connection, threads
from bench.ours.asking import encoded

SEED = 8
LANES = 8
PATH = "/v1/leases"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """`a_second` asks to `server`, in turn by those whose `tokens` these are; for `seconds` at the longest."""

    server: str
    tokens: Sequence[str]
    a_second: int
    seconds: int

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """What became of them."""

    asks: int
    a_second: float
    p50_ms: float
    p99_ms: float


def main() -> int:
    """0, also when it was told to end."""
    wanted = Arrivals(**json.loads(Path(sys.argv[1]).read_text()))
    told = Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    print("sending", flush=True)
    print(json.dumps(asdict(sent(wanted, told))), flush=True)
    return 0


def sent(wanted: Arrivals, told: Event) -> Arrived:
    """Sends until told to end, or until the time is over. Raises what a connection raises."""
    bodies = [encoded(gang) for gang in gangs(wanted.a_second * wanted.seconds, seed=SEED)]
    began = time.perf_counter()
    with threads(LANES) as (pool, _):
        lanes = [pool.submit(_lane, wanted, bodies, k, began, told) for k in range(LANES)]
        each_ms = [one for lane in lanes for one in lane.result()]
    took_s = time.perf_counter() - began
    p50_ms, p99_ms = (percentile(each_ms, percent) if each_ms else 0.0 for percent in (50, 99))
    return Arrived(asks=len(each_ms), a_second=len(each_ms) / took_s, p50_ms=p50_ms, p99_ms=p99_ms)


def _lane(wanted: Arrivals, bodies: Sequence[bytes], first: int, began: float, told: Event) -> list[float]:
    found: list[float] = []
    with closing(Connection(wanted.server, wanted.tokens[first % len(wanted.tokens)])) as connection:
        for number in range(first, len(bodies), LANES):
            if told.wait(max(0.0, began + number / wanted.a_second - time.perf_counter())):
                break
            sent_at = time.perf_counter()
            connection.post(PATH, bodies[number], status=201)
            found.append((time.perf_counter() - sent_at) * 1000)
    return found


if __name__ == "__main__":
    sys.exit(main())
