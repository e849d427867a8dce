"""Keys to clusters, the pods in them and the clusters themselves."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from pydantic import BaseModel
from rich.console import Group, RenderableType
from rich.text import Text

from dure import wire
from dure.kubeconfig import EXEC_VERSION
from dure.render.view import View, facts, table, timed
from dure.wire import Instant


class Written(BaseModel):
    """A kubeconfig that was written; `expires_at` is that of the key in it, null where kubectl gets one whenever it needs it."""

    path: str
    context: str
    namespace: str
    cluster: str
    expires_at: Instant | None
    merged: bool


class Ran(BaseModel):
    """A Job that was made for a lease: `gpus` on each of `nodes`."""

    job: str
    lease: str
    gpus: int
    nodes: int


class _Status(BaseModel):
    token: str
    expirationTimestamp: datetime  # noqa: N815 - as Kubernetes calls it


class _Credential(BaseModel):
    apiVersion: str = EXEC_VERSION  # noqa: N815
    kind: str = "ExecCredential"
    status: _Status


def credential(made: wire.KubeToken) -> str:
    """As kubectl takes it of a plugin."""
    return _Credential(status=_Status(token=made.token, expirationTimestamp=made.expires_at)).model_dump_json()


def written(found: Written, view: View) -> RenderableType:
    rows = [
        ("kubeconfig", f"{found.path}, readable by you alone"),
        ("context", found.context),
        ("namespace", f"{found.namespace} in {found.cluster}"),
    ]
    if found.expires_at is None:
        rows.append(("key", "kubectl gets one from dure kube-token whenever it needs it"))
    else:
        rows.append(("key", f"in the file, until {view.full(found.expires_at)}; write it anew for a later end"))
    use = f"--context {found.context} " if found.merged else f"--kubeconfig {found.path} "
    rows.append(("next", f"kubectl {use}get pods"))
    return facts(rows)


def ran(found: Ran) -> RenderableType:
    pods = f"{found.nodes} pods, each with" if found.nodes > 1 else "a pod with"
    gpus = f"{found.gpus} GPU" + ("" if found.gpus == 1 else "s")
    return facts(
        [
            ("job", f"{found.job}: {pods} {gpus} on lease {found.lease}"),
            ("next", f"dure logs {found.lease} --follow; dure pods {found.lease}"),
        ]
    )


def pods(found: Iterable[wire.Pod], view: View) -> RenderableType:
    """By name."""
    shown = sorted(found, key=lambda one: (one.name, one.uid))
    if not shown:
        return Text("no pods that ask for GPUs")
    made = table(
        *("POD", "GPUS", "STATE", "NODE", "LEASE", "SEEN", "WHY"),
        rows=lambda view: [
            (
                one.name,
                str(one.gpus),
                _state(one),
                one.node or view.none,
                one.lease or view.none,
                view.short(one.seen_at),
                view.clause(one.detail or one.reason or view.none),
            )
            for one in shown
        ],
        view=view,
        right=("GPUS",),
        loose=("WHY",),
        drop=("SEEN", "LEASE", "NODE"),
    )
    return timed(made, view)


def _state(pod: wire.Pod) -> str:
    if pod.waits is not None:
        return f"waits ({pod.waits})"
    return pod.phase.lower() + ("" if pod.exit_code is None else f", exit code {pod.exit_code}")


def logs(found: Iterable[wire.PodLog], view: View) -> RenderableType:
    """Each pod's last lines under a line that says how it ended."""
    shown = sorted(found, key=lambda one: (one.ended_at, one.pod))
    if not shown:
        return Text("nothing of this lease is over yet; --follow shows what its pods write now")
    lines: list[RenderableType] = []
    for one in shown:
        code = "" if one.exit_code is None else f", exit code {one.exit_code}"
        why = f" ({one.reason})" if one.reason else ""
        lines.append(Text(f"{one.pod} ended {view.past(one.ended_at)}{code}{why}", style="bold"))
        lines += _written(one.containers)
    return Group(*lines)


def _written(found: Sequence[wire.ContainerLog]) -> Iterator[RenderableType]:
    """Of several each under its name."""
    if not found:
        yield Text("its lines were gone when they were read")
    for one in found:
        if len(found) > 1:
            yield Text(f"container {one.container}", style="dim")
        yield Text(one.log.rstrip("\n") or "it wrote nothing")


def clusters(found: Iterable[wire.Cluster], view: View) -> RenderableType:
    shown = list(found)
    if not shown:
        return Text("no clusters: the scheduler is told of them by DURE_SCHEDULER_CLUSTERS")
    made = table(
        *("CLUSTER", "VERSION", "HEARD", "POOLS", "TROUBLE"),
        rows=lambda view: [
            (
                one.name,
                one.version or view.none,
                view.short(one.heard_at),
                ", ".join(one.pools) or view.none,
                one.trouble or view.none,
            )
            for one in shown
        ],
        view=view,
        loose=("POOLS", "TROUBLE"),
        drop=("HEARD",),
    )
    return timed(made, view)
