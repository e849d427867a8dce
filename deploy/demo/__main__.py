"""`python -m deploy.demo`: brings up a Dure of its own, plays the trace, and checks what came of it."""

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from urllib.request import urlopen

from deploy.demo import cast, cluster, trace, verdict
from deploy.demo.check import Findings, check
from deploy.demo.cluster import Cluster
from deploy.demo.play import Play
from deploy.demo.stage import Stage, StageError, stage
from dure import wire
from dure.client import Client

PATIENCE_S = 100.0
PROVED_S = 100.0
SHOWN = (
    "dure_gpus{",
    "dure_leases{",
    "dure_lease_start_lateness_seconds_count",
    "dure_lease_start_lateness_seconds_sum",
    "dure_leases_overdue",
)


def main() -> int:
    """0 when every promise was kept, no GPU was in two leases, no pod ran outside of its lease and the usage adds up; else 1."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demo", description=__doc__)
    parser.add_argument("--until", type=int, metavar="S", help="play only the asks of the first S seconds")
    wanted = parser.parse_args()
    found: Cluster | None = None
    try:
        with ExitStack() as stack:
            found = _cluster(stack)
            environ = {} if found is None else found.environ()
            where = stack.enter_context(
                stage(cast.SCENARIO, nodes=cast.NODES, report_s=1.0, sample_s=0.5, environ=environ)
            )
            return _show(where, wanted.until, found)
    except (StageError, cast.CastError, TimeoutError) as error:
        print(error, file=sys.stderr)
        if found is not None and found.pace.slow:
            print(f"The machine or the cluster was too slow for leases of seconds: {found.pace}.", file=sys.stderr)
        return 1


def _cluster(stack: ExitStack) -> Cluster | None:
    """The one that the demo is given, fit for it; what the demo makes in it goes with the stack. Raises StageError."""
    kubeconfig = cluster.wanted()
    if kubeconfig is None:
        say(
            f"Leases are NOT enforced here, they are times alone: `make cluster` runs a Kubernetes that enforces them, "
            f"and says how {cluster.SETTING} is set for it."
        )
        return None
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dure-demo-keys-")))
    found = Cluster(kubeconfig, folder, frozenset(trace.quotas()), tell=say)
    version = found.fit(cast.NODE_NAMES)
    say(
        f"Leases are ENFORCED by the Kubernetes {version} of {kubeconfig}: each that is promised gets a Job, "
        "whose pods wait at the gate until it starts."
    )
    return stack.enter_context(found)


def _show(where: Stage, until_s: int | None, enforced: Cluster | None) -> int:
    quotas, jobs = trace.quotas(), trace.jobs(until_s)
    say(
        "Setting the stage: 5 simulated nodes, 2 pools, 11 companies, each with a quota and a token, by the dure command."
    )
    cli = cast.Cli(where)
    tokens = cast.make(cli, quotas, None if enforced is None else cluster.NAME)
    say(cli("pool", "list"))
    with ExitStack() as stack:
        admin = stack.enter_context(Client(where.server, where.admin_token))
        clients = {name: stack.enter_context(Client(where.server, token)) for name, token in tokens.items()}
        say(f"Playing {len(jobs)} jobs of the Philly trace, a minute of it as a second.\n")
        play = Play(clients=clients, pools=cast.pools(clients), admin=admin, tell=say, cluster=enforced)
        play.book("vc-6214e9", wire.Shape(nodes=2, gpus_per_node=8), in_s=20, duration_s=10)
        play.ask("vc-ee9e8c", wire.Ask(pool=cast.H100, shape=wire.Shape(nodes=1, gpus_per_node=16), duration_s=10))
        play.run(jobs, patience_s=PATIENCE_S)
        _await_proof(admin)
        say("\nWhat each company had and used:\n" + cli("usage"))
        say("What /metrics says, among much else:")
        say(
            "\n".join(
                line for line in _metrics(where).splitlines() if line.startswith(SHOWN) and not line.endswith(" 0.0")
            )
        )
        found = _checked(admin, play, quotas)
        found = found if enforced is None else _enforced(found, enforced, admin)
        say("\n".join(verdict.lines(found)))
        return 0 if verdict.passed(found) else 1


def _await_proof(admin: Client) -> None:
    """The last GPUs are shown empty a moment after the last lease ended."""
    until = time.monotonic() + PROVED_S
    while any(gpu.proved_empty_at is None for lease in admin.leases() for gpu in lease.gpus):
        if time.monotonic() > until:
            raise TimeoutError(f"GPUs are not proved empty {PROVED_S:.0f} s after the last lease ended")
        time.sleep(0.5)


def _checked(admin: Client, play: Play, quotas: dict[str, int]) -> Findings:
    usage = admin.usage(since=datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1))
    limits = {(company, pool): gpus for company, gpus in quotas.items() for pool in cast.PRODUCTS}
    return check(play.promised, list(admin.leases()), usage, limits)


def _enforced(found: Findings, by: Cluster, admin: Client) -> Findings:
    """With what the cluster showed, after a last look."""
    _look_until_gone(by)
    seen, judged = by.seen, by.seen.judged({lease.id: lease for lease in admin.leases()})
    say(f"\nKubernetes ran {len(seen.ran)} pods of {len({pod.lease for pod in seen.ran.values()})} leases.")
    if judged.starts_s:
        say(
            f"After their lease's start it took them {median(judged.starts_s):.0f} s to run at the median, "
            f"{max(judged.starts_s)} s at the most."
        )
    if seen.ran and not judged.wrong:
        say("Each ran on its lease's nodes, none before its start or after its end, and none is left.")
    if slow := verdict.slowness(judged, by.pace):
        say(slow)
    return verdict.with_pods(found, judged, by.pace)


def _look_until_gone(by: Cluster) -> None:
    """A last look; some more while a pod is still shown."""
    until = time.monotonic() + PROVED_S
    by.look()
    while by.seen.runs and time.monotonic() < until:
        time.sleep(0.5)
        by.look()


def _metrics(where: Stage) -> str:
    with urlopen(where.metrics, timeout=10) as answer:
        return answer.read().decode()


def say(what: str) -> None:
    print(what, flush=True)


if __name__ == "__main__":
    sys.exit(main())
