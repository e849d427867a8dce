"""`python -m agents.fleet`: simulated nodes that report to an allocator, until SIGTERM, SIGINT or `--for`.

Exit status: 0 at the end, 1 where no report was taken, 2 where the fleet cannot be made.
"""

import argparse
import logging
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from importlib import metadata
from pathlib import Path

from agents import logs, scenario
from agents.driver import DriverError
from agents.fleet import tokens
from agents.fleet.connections import Connections
from agents.fleet.node import FleetNode, Making
from agents.fleet.running import Fleet
from agents.fleet.tokens import FleetError


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    logs.start("INFO")
    # What a node's agent says does not name the node: the fleet's own lines do.
    logging.getLogger("agents").setLevel(logging.CRITICAL)
    logging.getLogger("agents.fleet").setLevel(logging.INFO)
    try:
        found = scenario.load(options.scenario) if options.scenario else scenario.Scenario()
        wanted = tokens.read(options.tokens, first=options.first, count=options.nodes)
    except (DriverError, FleetError) as error:
        print(f"dure fleet: {error}", file=sys.stderr)
        return 2
    with (
        tempfile.TemporaryDirectory(prefix="dure-fleet-") as folder,
        closing(Connections(options.server)) as connection,
    ):
        making = Making(
            connection=connection,
            scenario=found,
            sample_s=options.sample,
            interval_s=options.interval,
            version=metadata.version("dure"),
        )
        nodes = _nodes(making, wanted, Path(folder))
        fleet = Fleet(nodes, sample_s=options.sample, spread_s=options.interval)
        fleet.run(_stop(options.seconds), threads=options.threads)
    return 0 if fleet.was_heard else 1


def _nodes(making: Making, wanted: Mapping[str, str], folder: Path) -> list[FleetNode]:
    """Each with its token in a file of its own, as an agent has it; nobody else may look into the folder."""
    found: list[FleetNode] = []
    for name, token in wanted.items():
        path = folder / name
        path.write_text(token)
        found.append(making.node(name, path))
    return found


def _stop(seconds: float | None) -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if seconds is not None:
        timer = threading.Timer(seconds, stop.set)
        timer.daemon = True
        timer.start()
    return stop


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m agents.fleet", description="Many simulated nodes in one process.")
    parser.add_argument("--server", default="http://127.0.0.1:8470", help="the allocator's API [http://127.0.0.1:8470]")
    parser.add_argument(
        "--tokens", type=Path, required=True, help="the nodes: lines of name, tab, token; or a JSON object"
    )
    parser.add_argument("--scenario", type=Path, help="what the nodes are and what befalls them")
    parser.add_argument("--nodes", type=_at_least_one, help="how many of them; all that there are")
    parser.add_argument("--first", type=_at_least_one, default=1, help="the first of them to run, counted from 1 [1]")
    parser.add_argument("--interval", type=float, default=10.0, help="seconds between two reports of a node [10]")
    parser.add_argument("--sample", type=float, default=1.0, help="seconds between two samples of a node [1]")
    parser.add_argument("--threads", type=_at_least_one, default=4, help="threads that send reports [4]")
    parser.add_argument("--for", type=float, dest="seconds", help="stop after so many seconds")
    return parser.parse_args(arguments)


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("has to be 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
