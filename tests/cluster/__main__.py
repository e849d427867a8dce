"""`python -m tests.cluster`: a Kubernetes to play with, until Ctrl-C. `build` only builds what it is made of."""

import argparse
import os
import signal
import subprocess
import sys
import threading

from dure.environment import SettingError
from tests.cluster import binaries, greeting, playing
from tests.cluster.daemons import NotReady
from tests.cluster.greeting import Dure
from tests.cluster.playing import Wanted
from tests.cluster.real_node import CannotHere, refuse


def main(arguments: list[str]) -> int:
    asked = _parsed(arguments)
    try:
        dure = Dure.of(os.environ)
        if asked.real_node:
            refuse()
        binaries.ensure(binaries.RECIPES if asked.real_node or asked.what == "build" else binaries.CONTROL_PLANE)
        if asked.what == "up":
            _up(asked, dure)
    except SettingError as why:
        print(why, file=sys.stderr)
        return 2
    except (binaries.NoBinaries, CannotHere, NotReady) as why:
        print(why, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as failed:
        print(f"{failed.cmd[0]} ended with {failed.returncode}: {failed.stderr}", file=sys.stderr)
        return 1
    return 0


def _up(asked: argparse.Namespace, dure: Dure) -> None:
    ended = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: ended.set())
    wanted = Wanted(
        nodes=asked.nodes, gpus=asked.gpus, chart=not asked.bare, real_node=asked.real_node, audit=asked.audit
    )
    with playing.played(wanted) as cluster:
        print(greeting.text(wanted, cluster, dure), flush=True)
        ended.wait()


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["up", "build"], default="up")
    parser.add_argument("--nodes", type=_counted(0), default=5, help="simulated nodes with GPUs, node-1 and on (5)")
    parser.add_argument("--gpus", type=_counted(1), default=8, help="GPUs of each (8)")
    parser.add_argument("--bare", action="store_true", help="without Dure's chart")
    parser.add_argument(
        "--real-node", action="store_true", help="one real node with four simulated GPUs as well; as root"
    )
    parser.add_argument("--audit", action="store_true", help="write every API call to audit.log beside the kubeconfig")
    return parser.parse_args(arguments)


def _counted(least: int):
    def whole(said: str) -> int:
        if not said.isdecimal() or int(said) < least:
            raise argparse.ArgumentTypeError(f"{said!r} is no number from {least} on")
        return int(said)

    return whole


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
