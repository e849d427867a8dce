"""What `make cluster` says once it runs: what it is, and the lines to paste next, in which nothing is left to fill in."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local import settings
from deploy.local.example import COMPANY, POOL
from deploy.local.folder import Folder
from deploy.local.ports import HOST
from deploy.local.settings import LocalSettings
from dure import environment
from tests.cluster import binaries, images, kinds
from tests.cluster.cluster import Cluster
from tests.cluster.playing import ACCOUNTS, NAME, REAL_GPUS, REAL_POOL, REAL_PRODUCT, REAL_SCENARIO, Wanted

DEMO_NODES, DEMO_GPUS = 5, 8
"""What the demo plays on."""

MOST_AGENTS = 64
"""That `make up` takes."""

QUOTA_GPUS = 24
"""Of the example's company, so that of a few leases one has to wait."""

DURE = ".venv/bin/dure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dure:
    """The Dure that is to be enforced: as `make up` will run it where these settings are in its environment."""

    local: LocalSettings
    said: Mapping[str, str]
    """Of the settings those that were said here, but for nodes and GPUs; another terminal need not have them."""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Dure":
        """Raises SettingError."""
        local = environment.read(LocalSettings, environ, prefix=settings.PREFIX, shared=settings.SHARED)
        ours = {f"{settings.PREFIX}NODES", f"{settings.PREFIX}GPUS"}
        said = {name: value for name, value in environ.items() if name.startswith(settings.PREFIX) and name not in ours}
        if f"{settings.PREFIX}DATA" in said:
            said[f"{settings.PREFIX}DATA"] = str(local.data.expanduser().absolute())
        return cls(local=local, said=dict(sorted(said.items())))

    @property
    def folder(self) -> Folder:
        return Folder(self.local.data.expanduser().absolute())

    @property
    def server(self) -> str:
        return f"http://{HOST}:{self.local.api_port}"

    def up(self, **more: object) -> str:
        """The line that brings it up."""
        return (
            f"{_assigned({**self.said, **{f'{settings.PREFIX}{name}': value for name, value in more.items()}})} make up"
        )


def text(wanted: Wanted, cluster: Cluster, dure: Dure) -> str:
    """What it is, and the lines to paste next."""
    lines = [
        f"Kubernetes {binaries.VERSION} is running, {_with(wanted)}. Ctrl-C ends it and removes everything.",
        *(["Simulated nodes run nothing: their pods have no logs and no shell."] if wanted.nodes else []),
        *(
            [f"They have the label and taint of pool {POOL}, as dure node adopt gives them: none is left to adopt."]
            if wanted.nodes
            else []
        ),
        "",
        "In another terminal, to look at it:",
        "",
        f"  export KUBECONFIG={cluster.admin} {_path()}",
        "  kubectl get nodes",
    ]
    enforced = _enforcing(wanted, cluster, dure) if wanted.chart else []
    return "\n".join(
        [*lines, *enforced, *(_on_the_real_node(cluster, dure) if enforced and wanted.real_node else []), ""]
    )


def _enforcing(wanted: Wanted, cluster: Cluster, dure: Dure) -> Sequence[str]:
    pool = [
        f"  {DURE} pool enforce {POOL} --cluster {NAME}",
        f"  {DURE} quota set {COMPANY} {POOL} --gpus {min(QUOTA_GPUS, wanted.nodes * wanted.gpus)}",
    ]
    return [
        *(_demo(cluster) if wanted.nodes >= DEMO_NODES and wanted.gpus >= DEMO_GPUS else []),
        "",
        "A Dure of your own that it enforces:",
        "",
        *(f"  export {setting}={NAME}={cluster.folder / file}" for setting, (_, file) in ACCOUNTS.items()),
        f"  {dure.up(NODES=min(wanted.nodes, MOST_AGENTS), GPUS=wanted.gpus)}",
        "",
        "and, once that runs, in a third terminal, as its admin:",
        "",
        f"  export DURE_SERVER={dure.server} {_token(dure.folder.admin_token)}",
        *(pool if wanted.nodes else []),
    ]


def _on_the_real_node(cluster: Cluster, dure: Dure) -> Sequence[str]:
    """From its pool to a shell on it. Its token is kept with the others of that Dure, which may outlive this cluster."""
    token = dure.folder.node_token(kinds.REAL)
    agent = {
        "DURE_AGENT_SERVER": dure.server,
        "DURE_AGENT_NODE": kinds.REAL,
        "DURE_AGENT_TOKEN_FILE": token,
        "DURE_AGENT_DRIVER": "simulated",
        "DURE_AGENT_SCENARIO": cluster.folder / REAL_SCENARIO,
        "DURE_AGENT_PORT": 0,
    }
    return [
        "",
        f"For {kinds.REAL}, which runs what it is told, there too; a Dure that had one before needs the last of these alone:",
        "",
        f'  {DURE} pool add {REAL_POOL} --product "{REAL_PRODUCT}" --grace 10s --cluster {NAME} --why "a real node"',
        f"  {DURE} quota set {COMPANY} {REAL_POOL} --gpus {REAL_GPUS}",
        f"  {DURE} node enroll {kinds.REAL} --token-file {shlex.quote(str(token))}",
        f"  {_assigned(agent)} .venv/bin/python -m agents",
        "",
        f"The last is its agent, and stays there. In a fourth, as the company {COMPANY}:",
        "",
        # kubectl gets its keys from the `dure` that it finds.
        f"  export DURE_SERVER={dure.server} {_token(dure.folder.company_token)} {_path('$PWD/.venv/bin')}",
        f"  {DURE} ask {REAL_POOL} 1 --for 10m --name play",
        f"  LEASE=$({DURE} --json lease list --pool {REAL_POOL} --limit 1 | grep -o 'lea_[a-z0-9]*' | head -1)",
        f"  {DURE} run $LEASE -- {images.BUSYBOX} sh -c 'echo hello; sleep 3600'",
        f"  {DURE} pods $LEASE",
        f"  {DURE} shell $LEASE",
        f"  {DURE} logs $LEASE --follow",
    ]


def _token(path: Path) -> str:
    return f'DURE_TOKEN="$(cat {shlex.quote(str(path))})"'


def _path(*more: str) -> str:
    return f"PATH={':'.join([*more, str(binaries.find('kubectl').parent), '$PATH'])}"


def _assigned(environ: Mapping[str, object]) -> str:
    return " ".join(f"{name}={shlex.quote(str(value))}" for name, value in environ.items())


def _demo(cluster: Cluster) -> Sequence[str]:
    return ["", "The demo, whose leases it enforces:", "", f"  DURE_KUBECONFIG={cluster.admin} make demo"]


def _with(wanted: Wanted) -> str:
    names = wanted.names
    simulated = f"{names[0]} to {names[-1]}, simulated nodes of {wanted.gpus} GPUs" if names else "no simulated nodes"
    parts = [simulated, *(["the chart of Dure"] if wanted.chart else [])]
    parts += [f"one real node, {kinds.REAL}"] if wanted.real_node else []
    return f"with {', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else f"with {parts[0]}"
