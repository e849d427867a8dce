"""The `dure` CLI, called as an admin would call it."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from deploy.local import commands
from deploy.local.processes import TREE, Processes

PROGRAM = Path(sys.executable).with_name("dure")


class Dure(Protocol):
    """What is asked of the running server, as one would type it."""

    def __call__(self, *arguments: str) -> Any: ...
    def names(self, noun: str) -> set[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Cli:
    """`dure` with the admin token of this run."""

    processes: Processes
    ending: Event

    def __call__(self, *arguments: str) -> Any:
        """What `dure ... --json` answers. Raises CannotStart with what it complains of, and Ended."""
        token = self.processes.folder.admin_token.read_text().strip()
        # Not the person's own configuration, which may name another server or be broken.
        ours = {"DURE_SERVER": self.processes.server, "DURE_TOKEN": token, "DURE_CONFIG": os.devnull}
        environ = self.processes.environ(ours)
        command = [str(PROGRAM), *arguments, "--json"]
        return json.loads(commands.run(command, environ=environ, folder=TREE, ending=self.ending))

    def names(self, noun: str) -> set[str]:
        """The names that `dure <noun> list` shows."""
        return {found["name"] for found in self(noun, "list")["items"]}
