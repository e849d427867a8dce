"""What is said once everything runs: where things are, and three commands that work when pasted."""

import shlex
from collections.abc import Sequence

from deploy.local import example
from deploy.local.cli import PROGRAM
from deploy.local.ports import HOST
from deploy.local.processes import Processes


def text(processes: Processes, *, with_example: bool, clusters: Sequence[str] = ()) -> str:
    """The greeting. With the example there, the commands are a startup's; else an admin's. `clusters` is a sentence each."""
    folder, settings = processes.folder, processes.settings
    lines = [
        "",
        "Dure is running. Ctrl-C ends it; what is leased stays leased.",
        "",
        f"  API            {processes.server}  (described at {processes.server}/docs)",
        f"  scheduler      http://{HOST}:{settings.scheduler_port}/metrics",
        *(f"  {node:<14} http://{HOST}:{processes.agent_port(node)}/metrics" for node in settings.node_names),
        *(f"  cluster        {sentence}" for sentence in clusters),
        f"  admin token    {folder.admin_token}",
        f"  logs           {folder.logs}",
        "",
        "Try next, in another terminal:",
        "",
        *(f"  {line}" for line in _commands(processes, with_example=with_example)),
        "",
    ]
    return "\n".join(lines)


def _commands(processes: Processes, *, with_example: bool) -> list[str]:
    folder = processes.folder
    token = folder.company_token if with_example else folder.admin_token
    verbs = (
        [f"ask {example.POOL} 4 --for 10m", "status", f"calendar {example.POOL} --for 1h"]
        if with_example
        else ["status", "pool list", "node list"]
    )
    export = f'export DURE_SERVER={processes.server} DURE_TOKEN="$(cat {shlex.quote(str(token))})"'
    return [export, *(f"{shlex.quote(str(PROGRAM))} {verb}" for verb in verbs)]
