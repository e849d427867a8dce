"""`python -m tests.cluster`: a Kubernetes to play with, until Ctrl-C. `build` only builds what it is made of."""

import argparse
import signal
import sys
import threading
from contextlib import ExitStack

from tests import servers
from tests.cluster import binaries, kinds, nodes
from tests.cluster.control_plane import ControlPlane
from tests.cluster.daemons import NotReady
from tests.cluster.real_node import CannotHere, real_node, refuse

POOL = "h100"


def main(arguments: list[str]) -> int:
    asked = _parsed(arguments)
    try:
        if asked.real_node:
            refuse()
        wanted = binaries.RECIPES if asked.real_node or asked.what == "build" else binaries.CONTROL_PLANE
        binaries.ensure(wanted)
        if asked.what == "up":
            _up(asked)
    except (binaries.NoBinaries, CannotHere, NotReady) as why:
        print(why, file=sys.stderr)
        return 1
    return 0


def _up(asked: argparse.Namespace) -> None:
    ended = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: ended.set())
    with ExitStack() as stack:
        folder = stack.enter_context(servers.folder("cluster"))
        cluster = stack.enter_context(ControlPlane(folder, audit=asked.audit)).cluster
        plain = nodes.node(kinds.PLAIN, gpus=0, taint=False)
        with_gpus = [nodes.node(f"gpu-{n + 1}", gpus=asked.gpus, pool=POOL) for n in range(asked.nodes)]
        nodes.add(cluster, [plain, *with_gpus])
        if asked.real_node:
            stack.enter_context(real_node(cluster, kinds.REAL, pool="real"))
        print(f"Kubernetes {binaries.VERSION} is running, with {asked.nodes} simulated nodes of {asked.gpus} GPUs")
        print(f"  export KUBECONFIG={cluster.admin}\n  export PATH={binaries.find('kubectl').parent}:$PATH", flush=True)
        print("Ctrl-C ends it and removes everything", flush=True)
        ended.wait()


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["up", "build"], default="up")
    parser.add_argument("--nodes", type=int, default=4, help="simulated nodes with GPUs (4)")
    parser.add_argument("--gpus", type=int, default=8, help="GPUs of each (8)")
    parser.add_argument(
        "--real-node", action="store_true", help="one real node with four simulated GPUs as well; as root"
    )
    parser.add_argument("--audit", action="store_true", help="write every API call to audit.log beside the kubeconfig")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
