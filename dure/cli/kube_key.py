"""dure kubeconfig and dure kube-token: keys to a lease's pods, and to a company's namespace."""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from dure.cli import lease_said, limits
from dure.cli.command import command
from dure.cli.terminal import BadUsage, Terminal

if TYPE_CHECKING:
    from dure import wire
    from dure.kubeconfig import Plugin
    from dure.kubectl import Kubectl

LONGEST_S = 30 * 86_400
"""Of a key that is written into a file; the lease ends it anyway."""

Lease = Annotated[
    str | None, typer.Argument(metavar="[LEASE]", help="Its id or name, as dure lease list shows them; or --company.")
]
Company = Annotated[
    str | None, typer.Option(metavar="COMPANY", help="The company's own key, which waits for no lease.")
]
Cluster = Annotated[
    str | None, typer.Option(metavar="CLUSTER", help="Of a company that is in several clusters, which.")
]


def register(app: typer.Typer) -> None:
    command(app, "kubeconfig")(kubeconfig)
    command(app, "kube-token")(kube_token)


def kubeconfig(
    terminal: Terminal,
    lease: Lease = None,
    *,
    company: Company = None,
    cluster: Cluster = None,
    static: Annotated[
        bool, typer.Option("--static", help="Write a key into the file, for tools that cannot run a plugin.")
    ] = False,
    merge: Annotated[
        bool, typer.Option("--merge", help="Into the file beside what is there; else into one of its own.")
    ] = False,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="The file; else KUBECONFIG or ~/.kube/config with --merge, else one in ~/.kube."
        ),
    ] = None,
) -> None:
    """Write a kubeconfig for a lease, or for a company.

    Of mode 600. kubectl then gets a key from dure kube-token whenever it needs one.
    """
    from dure import kubeconfig
    from dure.kubeconfig import Unusable
    from dure.render import kube

    _one_of(lease, company, cluster)
    with _as_said(), terminal.client() as client:
        lease_id = None if lease is None else lease_said.id_of(client, lease)
        access = client.kube_access(lease_id, company=company, cluster=cluster)
        made = client.kube_token(lease_id, company=company, cluster=cluster, lasts_s=LONGEST_S) if static else None
    config = kubeconfig.config(access, made.token if made else _plugin(terminal, lease_id, company, access.cluster))
    path = _path(terminal, out, kubeconfig.name(access), merge=merge)
    try:
        kubeconfig.write(path, config, merge=merge)
    except Unusable as error:
        raise BadUsage("--merge" if merge else "--out", str(error)) from None
    found = kube.Written(
        path=str(path),
        context=kubeconfig.name(access),
        namespace=access.namespace,
        cluster=access.cluster,
        expires_at=made.expires_at if made else None,
        merged=merge,
    )
    terminal.show(found, lambda view: kube.written(found, view))


def kube_token(terminal: Terminal, lease: Lease = None, *, company: Company = None, cluster: Cluster = None) -> None:
    """Get a key to a lease's pods, as kubectl takes it.

    The plugin of the kubeconfig that dure kubeconfig writes: an ExecCredential, or with --json the API's own answer.
    """
    from dure.render import kube

    _one_of(lease, company, cluster)
    with _as_said(), terminal.client() as client:
        lease_id = None if lease is None else lease_said.id_of(client, lease)
        made = client.kube_token(lease_id, company=company, cluster=cluster)
    if terminal.flags.json:
        terminal.show_json(made)
    else:
        terminal.show_text(kube.credential(made) + "\n")


@contextmanager
def _as_said() -> Generator[None]:
    """What the API says of the parameter `cluster` is of the option."""
    from dure.errors import InvalidRequest
    from dure.wire import FieldError

    try:
        yield
    except InvalidRequest as error:
        said = [one.message for one in error.errors if one.field == "cluster"]
        if not said:
            raise
        raise InvalidRequest(f"--cluster: {said[0]}", errors=[FieldError(field="--cluster", message=said[0])]) from None


@contextmanager
def kubectl(terminal: Terminal, lease_id: str, *, ahead: "wire.Lease | None" = None) -> Generator["Kubectl"]:
    """The user's kubectl with the lease's key, in a kubeconfig that is gone afterwards.

    With its company's key for a lease that is `ahead`: its own does not exist before it starts.
    """
    from dure import kubeconfig
    from dure.kubectl import Kubectl

    # Before anything is asked of the API: who has none is told so first.
    Kubectl(terminal.outside.environ)
    with terminal.client() as client:
        access = client.kube_access(lease_id)
        if ahead is None:
            made = client.kube_token(lease_id)
        else:
            made = client.kube_token(company=ahead.company, cluster=access.cluster)
    with TemporaryDirectory(prefix="dure-") as folder:
        path = Path(folder) / "kubeconfig"
        kubeconfig.write(path, kubeconfig.config(access, made.token), merge=False)
        yield Kubectl(terminal.outside.environ, kubeconfig=path)


def _one_of(lease: str | None, company: str | None, cluster: str | None) -> None:
    if (lease is None) == (company is None):
        raise BadUsage("LEASE", "say a lease, or --company COMPANY, and not both")
    if lease is not None:
        lease_said.checked(lease)
        if cluster is not None:
            raise BadUsage("--cluster", "a lease is in the cluster of its pool; leave it out")
    limits.maybe("--company", company, limits.COMPANY)
    limits.maybe("--cluster", cluster, limits.CLUSTER)


def _plugin(terminal: Terminal, lease_id: str | None, company: str | None, cluster: str) -> "Plugin":
    """It says where the API is; whose token it is sent with is the context's, or its file where it came from one."""
    from dure.kubeconfig import Plugin

    words = ["kube-token", lease_id] if lease_id else ["kube-token", "--company", company or "", "--cluster", cluster]
    words += ["--server", terminal.context.required()[0]]
    if terminal.flags.token_file is not None and terminal.token_path is not None:
        words += ["--token-file", str(terminal.token_path.resolve())]
    environ = {name: value for name, value in terminal.outside.environ.items() if name == "DURE_CONFIG" and value}
    command = shutil.which("dure", path=terminal.outside.environ.get("PATH", os.defpath)) or "dure"
    return Plugin(command=command, words=words, environ=environ)


def _path(terminal: Terminal, out: str | None, name: str, *, merge: bool) -> Path:
    environ = terminal.outside.environ
    home = Path(environ.get("HOME") or "~").expanduser()
    if out is not None:
        return Path(out).expanduser()
    if not merge:
        return home / ".kube" / f"{name}.yaml"
    said = environ.get("KUBECONFIG", "").split(":")[0]
    return Path(said).expanduser() if said else home / ".kube" / "config"
