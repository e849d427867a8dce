"""A company as it comes to a stand: a shell in which `dure` is at hand, and what the kubeconfig that `dure` writes opens."""

import base64
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml
from typer.testing import CliRunner, Result

from api.app import create_app
from dure import kube, wire
from dure.cli import app
from dure.cli.terminal import Outside
from scheduler.kube.clusters import ClusterAddress
from scheduler.kube.keys import Keys
from scheduler.service import Service
from scheduler.store import tokens
from scheduler.store.books import Books
from tests.cluster import binaries
from tests.integration.api.conftest import described
from tests.integration.kube import chart
from tests.integration.kube.stand import ADMIN, Stand
from tests.served import served


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """`environ` is its shell's: it knows the API, its own token, and nothing of the cluster."""

    environ: Mapping[str, str]

    def dure(self, *words: str) -> Result:
        result = CliRunner().invoke(app, list(words), obj=Outside(environ=self.environ))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def kubeconfig(self, *words: str) -> Path:
        """That of a lease, or with `--company` of the company."""
        path = Path(self.environ["HOME"]) / f"{'-'.join(words).strip('-')}.kubeconfig"
        said = self.dure("kubeconfig", *words, "--out", str(path))
        assert said.exit_code == 0, said.output
        return path

    def client(self, *words: str) -> httpx.Client:
        """Who comes to the cluster by that file, as kubectl does: its key is of the plugin that the file names."""
        config = yaml.safe_load(self.kubeconfig(*words).read_text())
        (cluster,), (user,) = config["clusters"], config["users"]
        authority = base64.b64decode(cluster["cluster"]["certificate-authority-data"]).decode()
        return httpx.Client(
            base_url=cluster["cluster"]["server"],
            verify=ssl.create_default_context(cadata=authority),
            headers={"Authorization": f"Bearer {self._key(user['user']['exec'])}"},
            trust_env=False,
            timeout=30,
        )

    def _key(self, plugin: Mapping) -> str:
        more = {one["name"]: one["value"] for one in plugin.get("env") or ()}
        command = [plugin["command"], *plugin["args"]]
        done = subprocess.run(command, env={**self.environ, **more}, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["status"]["token"]


def shell(url: str, secret: str, home: Path) -> dict[str, str]:
    """The environment of one who has `dure` and `kubectl` on the path, and this token for the API there."""
    folders = [str(Path(sys.executable).parent), str(binaries.find("kubectl").parent), "/usr/bin:/bin"]
    environ = {"HOME": str(home), "DURE_SERVER": url, "DURE_TOKEN": secret, "TZ": "UTC"}
    return {**environ, "PATH": os.pathsep.join(folders)}


@contextmanager
def tenant(made: Stand, home: Path, who: str | None = None) -> Iterator[Tenant]:
    """With an API of its own that makes keys as the chart's account for it, while this lasts."""
    token = chart.token(made.cluster.api, kube.SYSTEM_NAMESPACE, kube.API_ACCOUNT)
    keys = Keys([ClusterAddress(name="main", kubeconfig=str(made.cluster.kubeconfig_for_token(token)))])
    body = wire.TokenIssue(role=wire.Role.COMPANY, company=who or made.acme)
    with made.db.begin() as session:
        secret = tokens.issue(session, body, actor=ADMIN, now=made.clock.now()).secret
    with served(described(create_app(made.db, made.clock, Service(Books()), keys=keys))) as url:
        yield Tenant(environ=shell(url, secret, home))
