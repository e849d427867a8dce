"""A running test cluster as a test sees it: its address, anyone's keys, kubectl, and plain HTTP."""

import base64
import json
import os
import ssl
import subprocess
import tempfile
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.cluster import binaries
from tests.cluster.certificates import Authority

MERGE = {"Content-Type": "application/merge-patch+json"}
ADMINS = "system:masters"
"""The group that may do everything; admission policies bind it as well."""


class Cluster:
    """Made from the folder and address of a control plane, which may be another process's."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url

    @cached_property
    def authority(self) -> Authority:
        """Signs servers' and users' certificates of this cluster."""
        return Authority(self.folder, "ca")

    @property
    def admin(self) -> Path:
        """The kubeconfig of the administrator."""
        return self.folder / "admin.kubeconfig"

    def kubeconfig(self, user: str, groups: Iterable[str] = (), *, url: str | None = None) -> Path:
        """A file, made anew, with which `user` of these groups comes to this cluster; `url` for one that goes by a proxy."""
        return self._write(self.user(user, groups, url=url))

    def kubeconfig_for_token(self, token: str, *, url: str | None = None) -> Path:
        """The same with a bearer token, such as a ServiceAccount's."""
        return self._write(self._config("token", {"token": token}, url))

    def user(self, user: str, groups: Iterable[str] = (), *, url: str | None = None) -> dict[str, Any]:
        """What is in such a file."""
        pair = self.authority.client(user, groups)
        keys = {"client-certificate-data": _base64(pair.crt), "client-key-data": _base64(pair.key)}
        return self._config(user, keys, url)

    def http(self, user: str = "admin", groups: Iterable[str] = (ADMINS,), *, token: str | None = None) -> httpx.Client:
        """A client of the API server as `user` of these groups, or of the token alone; the caller closes it."""
        context = ssl.create_default_context(cafile=str(self.authority.crt))
        headers = {}
        if token is None:
            with tempfile.TemporaryDirectory() as folder:
                crt, key = self.authority.client(user, groups).write(Path(folder), "client")
                context.load_cert_chain(crt, key)
        else:
            headers["Authorization"] = f"Bearer {token}"
        return httpx.Client(base_url=self.url, verify=context, headers=headers, trust_env=False, timeout=30)

    @cached_property
    def api(self) -> httpx.Client:
        """The administrator's client, this object's own."""
        return self.http()

    def close(self) -> None:
        """Closes the connections of `api`; the cluster itself goes on."""
        if "api" in self.__dict__:
            self.api.close()
            del self.__dict__["api"]

    def kubectl(self, *arguments: str, given: str = "", kubeconfig: Path | None = None) -> str:
        """What it prints, run by the administrator or as said; `given` is its standard input.

        Raises subprocess.CalledProcessError, whose text has what kubectl said.
        """
        command = [str(binaries.find("kubectl")), f"--kubeconfig={kubeconfig or self.admin}", *arguments]
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        done = subprocess.run(
            command, input=given, env=environ, capture_output=True, text=True, check=False, timeout=120
        )
        if done.returncode:
            failed = subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stderr)
            failed.add_note(done.stderr)
            raise failed
        return done.stdout

    def apply(self, *objects: dict[str, Any]) -> None:
        """Creates or changes objects, given as they would stand in YAML, as the administrator."""
        self.kubectl("apply", "--server-side", "-f", "-", given=yaml.safe_dump_all(objects))

    def get(self, path: str) -> dict[str, Any]:
        """The answer to GET as the administrator. Raises httpx.HTTPStatusError."""
        return self.api.get(path).raise_for_status().json()

    def audited(self) -> list[dict[str, Any]]:
        """The API calls so far, each once, oldest first; empty where the control plane was not started with `audit`."""
        log = self.folder / "audit.log"
        # The last line may still be half.
        lines = log.read_text().splitlines(keepends=True) if log.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def _write(self, config: dict[str, Any]) -> Path:
        file, name = tempfile.mkstemp(prefix="user-", suffix=".kubeconfig", dir=self.folder)
        with os.fdopen(file, "w") as out:
            yaml.safe_dump(config, out)
        return Path(name)

    def _config(self, user: str, keys: dict[str, str], url: str | None) -> dict[str, Any]:
        server = {"server": url or self.url, "certificate-authority-data": _base64(self.authority.crt.read_bytes())}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": server}],
            "users": [{"name": user, "user": keys}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "current-context": "test",
        }


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
