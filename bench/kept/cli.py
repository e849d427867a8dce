"""`python -m bench kept`: what a year takes on disk."""

import argparse
from collections.abc import Sequence

from bench import results
from bench.data import NoData
from bench.kept import measure
from bench.philly.trace import BadTrace


def main(arguments: Sequence[str]) -> int:
    """0; the sentence where the trace is not there."""
    parser = argparse.ArgumentParser(prog="python -m bench kept", description=measure.__doc__)
    parser.add_argument("--gpus", type=int, nargs="+", default=[32, 64], help="sizes of the pool; 8 at least")
    parser.add_argument("--days", type=int, default=365, help="so many, the last of which is lived")
    wanted = parser.parse_args(arguments)
    try:
        for gpus in wanted.gpus:
            for result in measure.measure(gpus=gpus, days=wanted.days):
                print(results.table(result), flush=True)
                print(f"kept in {results.keep(result)}\n", flush=True)
    except (NoData, BadTrace) as trouble:
        parser.exit(2, f"bench kept: {trouble}\n")
    return 0
