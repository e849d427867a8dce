"""dure run and dure shell: a program on a lease without writing a manifest, and a shell in what runs."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from dure.cli import kube_key, lease_said
from dure.cli.command import command
from dure.cli.lease_said import LeaseSaid
from dure.cli.terminal import BadUsage, Terminal

if TYPE_CHECKING:
    from dure import wire
    from dure.kubectl import Json, Kubectl
    from dure.running import Work

NAME = "1 to 52 of a-z, 0-9 and -, first a letter, not - last; for example train"
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,50}[a-z0-9])?")


def register(app: typer.Typer) -> None:
    command(app, "run")(run)
    command(app, "shell")(shell)


def run(
    terminal: Terminal,
    said: LeaseSaid,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="The container image, after --.")],
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[COMMAND...]", help="What to run in it; else what the image says.")
    ] = None,
    *,
    gpus: Annotated[int | None, typer.Option(metavar="N", min=1, help="GPUs a pod; else all of a node.")] = None,
    nodes: Annotated[int | None, typer.Option(metavar="N", min=1, help="Pods, one a node; else all of them.")] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Of the Job; else one is made up.")] = None,
) -> None:
    """Run a program on a lease, as a Job.

    dure run LEASE -- IMAGE COMMAND... makes it by your own kubectl, with the lease's key; before the lease's start with the
    company's, and it waits for the lease. On several nodes pods find each other by MASTER_ADDR, NNODES and NODE_RANK.
    """
    from dure import begun, running
    from dure.kubectl import Failed
    from dure.render import kube

    with terminal.client() as client:
        lease = client.lease(lease_said.id_of(client, said))
        pool = client.pool(lease.pool)
    work = _work(lease, image, words or [], gpus, nodes, name)
    made = running.objects(work, lease, pool)
    with kube_key.kubectl(terminal, lease.id, ahead=lease if str(lease.state) == "scheduled" else None) as kubectl:
        uid = _make(kubectl, work.name, made)
        against = begun.refusal(kubectl, uid, work.nodes, terminal.outside.sleep)
    if against is not None:
        raise Failed(_refused(work.name, lease, pool, against))
    ran = kube.Ran(job=work.name, lease=lease.id, gpus=work.gpus, nodes=work.nodes)
    terminal.show(ran, lambda _: kube.ran(ran))


def _make(kubectl: "Kubectl", job: str, objects: "list[Json]") -> str:
    """The uid of the Job. Raises Failed, and AlreadyExists where another has the name."""
    from dure.errors import AlreadyExists
    from dure.kube_objects import at
    from dure.kubectl import Failed

    try:
        made = kubectl.created(objects)
    except Failed as error:
        if f'jobs.batch "{job}" already exists' in str(error):
            raise AlreadyExists(f"there is a Job {job} already: say another --name, or delete that one") from None
        if f'services "{job}" already exists' in str(error):
            raise AlreadyExists(_left(job)) from None
        raise
    return next(str(at(one, "metadata", "uid")) for one in made if one.get("kind") == "Job")


def _left(job: str) -> str:
    """A Job's Service outlives it; the Job beside one that is there may be made all the same."""
    return (
        f"there is a Service {job} already, as a Job of that name leaves it behind: say another --name, or delete it and what "
        f"was made beside it: kubectl delete service/{job} job/{job}"
    )


def _refused(job: str, lease: "wire.Lease", pool: "wire.Pool", said: str) -> str:
    """That its pods are not there, why, and what to do."""
    from dure.begun import OVER_QUOTA

    if OVER_QUOTA in said:
        said = (
            f"the GPUs of lease {lease.id} are all asked for by other pods: dure pods {lease.id} shows them. "
            "Once they are over it is tried again, in ever longer steps"
        )
    return (
        f"Job {job} is made, but the cluster does not take its pods: {said}. To take it back: dure kubeconfig --company "
        f"{lease.company} --cluster {pool.cluster} --merge; kubectl --context dure-{lease.company}-{pool.cluster} delete job {job}"
    )


def _work(
    lease: "wire.Lease", image: str, words: list[str], gpus: int | None, nodes: int | None, name: str | None
) -> "Work":
    from dure import running

    if name is not None and not _NAME.fullmatch(name):
        raise BadUsage("--name", f"{name!r} is none: {NAME}")
    try:
        each, count = running.sized(lease, gpus, nodes)
    except running.NotSaid as error:
        raise BadUsage("--gpus", str(error)) from None
    if each * count > lease.shape.total:
        said = f"{count} pods of {each} GPUs are more than the {lease.shape.total} of lease {lease.id}"
        raise BadUsage("--gpus" if nodes is None else "--nodes", said)
    return running.Work(name=name or _made_up(), image=image, command=words, gpus=each, nodes=count)


def _made_up() -> str:
    import secrets

    return f"run-{secrets.token_hex(4)}"


def shell(
    terminal: Terminal,
    lease: LeaseSaid,
    pod: Annotated[str | None, typer.Argument(metavar="[POD]", help="Its name, where several run.")] = None,
    *,
    program: Annotated[str, typer.Option("--command", metavar="PROGRAM", help="What to run there.")] = "sh",
) -> None:
    """Open a shell in a pod of a lease.

    By your own kubectl, with the lease's key.
    """
    lease_id = lease_said.of(terminal, lease)
    with kube_key.kubectl(terminal, lease_id) as kubectl:
        from dure.kube import PLACEMENT_LABEL

        if pod is None:
            words = ("get", "pods", f"--selector={PLACEMENT_LABEL}={lease_id}", "--output=json")
            found = kubectl.objects(*words, "--field-selector=status.phase=Running")
            pod = _only([str(one["metadata"]["name"]) for one in found], lease_id)
        raise typer.Exit(kubectl.attached("exec", "--stdin", "--tty", pod, "--", program))


def _only(names: list[str], lease_id: str) -> str:
    if not names:
        raise BadUsage("POD", f"nothing runs on lease {lease_id} now; dure pods {lease_id} shows what does")
    if len(names) > 1:
        raise BadUsage("POD", f"several run, so say which: {', '.join(sorted(names))}")
    return names[0]
