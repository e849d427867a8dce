"""`backup` and `restore` of the embedded PostgreSQL: a copy of the server's files, made while it runs, and put back.

Everything that Dure knows is in there. What companies hold on their machines, such as tokens, is not; one that was made after
the copy is of no use after the copy was put back.
"""

import logging
import sys
import time
from pathlib import Path
from threading import Event

from deploy.local import commands
from deploy.local.folder import Folder
from deploy.local.locks import Lock
from deploy.local.postgres import Embedded
from deploy.local.processes import TREE, Processes
from deploy.local.settings import LocalSettings
from deploy.local.supervisor import DATABASE
from deploy.local.trouble import CannotStart

log = logging.getLogger("deploy.local")

OTHERS = "DURE_DATABASE_URL names a PostgreSQL of yours: docs/recovery.md says how it is backed up, restored and looked through"


def backup(settings: LocalSettings) -> Path:
    """Copies the files of the server, which has to run, and checks the copy; the folder where it is. Raises CannotStart."""
    server, folder = running(settings)
    backups = folder.root / "backups"
    server.engine.own(backups)
    made = backups / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    server.copy_to(made)
    log.info("backed up to %s", made)
    return made


def restore(settings: LocalSettings, copy: Path) -> None:
    """Puts the copy in place of what is there, which is kept beside it, and settles it. Raises CannotStart, also while Dure
    runs on it.
    """
    server, folder = _server(settings)
    if not (copy / "PG_VERSION").is_file():
        raise CannotStart(f"{copy} is no backup: name a folder that `python -m deploy.local backup` said")
    folder.make()
    lock = Lock(folder.lock, held=f"process {{pid}} runs Dure on {folder.root}: end it first, with Ctrl-C").take()
    try:
        kept = server.replace(copy.absolute())
        log.info("what was there is kept in %s", kept)
        server.start()
        _settle(Processes(settings=settings, folder=folder, database_url=server.url(DATABASE)))
    finally:
        server.stop()
        lock.release()
    log.info("restored from %s: go on with `make up`", copy)


def running(settings: LocalSettings) -> tuple[Embedded, Folder]:
    """The server and its folder. Raises CannotStart where it does not run."""
    server, folder = _server(settings)
    if not server.serves():
        raise CannotStart(f"nothing runs on {folder.root}: start it with `make up`, which may go on meanwhile")
    return server, folder


def _server(settings: LocalSettings) -> tuple[Embedded, Folder]:
    if settings.database_url:
        raise CannotStart(OTHERS)
    folder = Folder(settings.data.expanduser().absolute())
    return Embedded(folder.postgres), folder


def _settle(processes: Processes) -> None:
    for step in ("restored", "verify"):
        said = commands.run(
            [sys.executable, "-m", "scheduler", step], environ=processes.environ(), folder=TREE, ending=Event()
        )
        log.info("%s", said.strip())
