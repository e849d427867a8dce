"""`python -m deploy.local up`: everything on this machine, until Ctrl-C; `backup` and `restore` what it keeps, `verify` that it holds
together.
"""

import argparse
import logging
import os
import signal
import sys
from pathlib import Path
from threading import Event

from deploy.local import backup, settings, verifying
from deploy.local.settings import LocalSettings
from deploy.local.supervisor import Supervisor
from deploy.local.trouble import CannotStart
from dure import environment

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """0 after a clean end, 1 when something kept it from starting or does not hold, 2 for a wrong setting."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local", description="Runs the whole of Dure on this machine."
    )
    commands = parser.add_subparsers(required=True, dest="command")
    commands.add_parser("up", help="bring everything up; Ctrl-C ends it")
    commands.add_parser("backup", help="copy what the embedded PostgreSQL keeps, while it runs")
    back = commands.add_parser("restore", help="put such a copy back; what is there is kept beside it")
    back.add_argument("copy", type=Path, help="the folder that `backup` said")
    commands.add_parser("verify", help="go through what it keeps, while it runs: whether all of it holds together")
    arguments = parser.parse_args()
    try:
        wanted = environment.read(LocalSettings, os.environ, prefix=settings.PREFIX, shared=settings.SHARED)
    except environment.SettingError as error:
        print(error, file=sys.stderr)
        return 2
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        match arguments.command:
            case "backup":
                print(backup.backup(wanted))
            case "restore":
                backup.restore(wanted, arguments.copy)
            case "verify":
                return verifying.verify(wanted)
            case _:
                Supervisor(wanted, _ending()).run()
    except CannotStart as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _ending() -> Event:
    """Set by the first signal that means end; later ones change nothing, since ending is bounded already."""
    ending = Event()
    for end in ENDS:
        signal.signal(end, lambda *_: ending.set())
    return ending


if __name__ == "__main__":
    sys.exit(main())
