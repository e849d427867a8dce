"""How each of the real processes is run: its command, its environment and its log. Nothing here imports them."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.children import Child
from deploy.local.folder import Folder
from deploy.local.ports import HOST
from deploy.local.settings import LocalSettings

TREE = Path(__file__).resolve().parents[2]
"""The root of the source tree, where `python -m api` finds the api."""

PRODUCT = "NVIDIA H100 80GB HBM3"
"""What the simulated GPUs say they are."""

OWN_NETWORKS = "127.0.0.0/8,::1/128"
"""On a laptop who is told by webhook is on it too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """What is run for these settings, on this database."""

    settings: LocalSettings
    folder: Folder
    database_url: str

    @property
    def server(self) -> str:
        """Where the API answers."""
        return f"http://{HOST}:{self.settings.api_port}"

    def environ(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Ours, without what would turn a child from the settings given here."""
        inherited = {name: value for name, value in os.environ.items() if name not in ("DURE_SERVER", "DURE_TOKEN")}
        local = ",".join(filter(None, (inherited.get("NO_PROXY"), HOST)))
        ours = {"DURE_DATABASE_URL": self.database_url, "NO_PROXY": local, "no_proxy": local, "PYTHONUNBUFFERED": "1"}
        return {"DURE_WEBHOOK_NETWORKS": OWN_NETWORKS, **inherited, **ours, **(extra or {})}

    def api(self) -> Child:
        return self._child("api", "api", {"DURE_API_HOST": HOST, "DURE_API_PORT": str(self.settings.api_port)})

    def scheduler(self) -> Child:
        port = str(self.settings.scheduler_port)
        return self._child("scheduler", "scheduler", {"DURE_SCHEDULER_HOST": HOST, "DURE_SCHEDULER_PORT": port})

    def agent(self, node: str) -> Child:
        """The agent of a simulated node; its token must be in its file."""
        settings = self.settings
        environ = {
            "DURE_AGENT_SERVER": self.server,
            "DURE_AGENT_NODE": node,
            "DURE_AGENT_TOKEN_FILE": str(self.folder.node_token(node)),
            "DURE_AGENT_DRIVER": "simulated",
            "DURE_AGENT_INTERVAL_S": str(settings.report_s),
            "DURE_AGENT_SAMPLE_S": str(settings.sample_s),
            "DURE_AGENT_HOST": HOST,
            "DURE_AGENT_PORT": str(self.agent_port(node)),
            "DURE_AGENT_SCENARIO": str(self._scenario()),
        }
        return self._child(f"agent-{node}", "agents", environ)

    def agent_port(self, node: str) -> int:
        return self.settings.agent_port + self.settings.node_names.index(node)

    def _scenario(self) -> Path:
        """The file that says what the simulated nodes are: the one that was set, or one made from the other settings."""
        if self.settings.scenario:
            return self.settings.scenario.expanduser().absolute()
        made = self.folder.root / "scenario.json"
        made.write_text(json.dumps({"product": PRODUCT, "gpus": self.settings.gpus}))
        return made

    def _child(self, name: str, package: str, environ: Mapping[str, str]) -> Child:
        command = (sys.executable, "-m", package)
        return Child(name, command, environ=self.environ(environ), folder=TREE, log=self.folder.log(name))
