"""`verify`: `python -m scheduler verify` for the embedded PostgreSQL, whose address nobody has to know."""

import subprocess
import sys

from deploy.local import backup
from deploy.local.processes import TREE, Processes
from deploy.local.settings import LocalSettings
from deploy.local.supervisor import DATABASE


def verify(settings: LocalSettings) -> int:
    """Its exit status: 0 where everything holds. Raises CannotStart where the server does not run, or is none of ours."""
    server, folder = backup.running(settings)
    processes = Processes(settings=settings, folder=folder, database_url=server.url(DATABASE))
    command = [sys.executable, "-m", "scheduler", "verify"]
    return subprocess.run(command, env=processes.environ(), cwd=TREE, check=False).returncode
