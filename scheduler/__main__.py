"""`python -m scheduler` runs the loop; `migrate` brings the schema up to date; `admin-token PATH` makes the first token;
`compile` compiles what is missing, so that the processes start in a second or two; `restored` settles a database that was
restored; `verify` says whether what a database says holds together.
"""

import argparse
import os
import sys
from contextlib import closing
from pathlib import Path

import structlog

from dure.environment import SettingError, read
from dure.errors import DureError
from dure.wire import Role, TokenIssue
from scheduler import addressed, compiled, logs
from scheduler.clock import DatabaseClock
from scheduler.compiled import Compiled
from scheduler.settings import Settings
from scheduler.store import migrate, restored, tokens
from scheduler.store.db import Database

log = structlog.get_logger()

SHARED = frozenset({*addressed.SHARED, "webhook_networks", "compiled_folder", "traces"})


def main() -> int:
    """The exit status: 0 when told to end or done, 1 for what cannot be done, 2 for settings that are wrong."""
    arguments = _arguments()
    logs.configure()
    try:
        return _do(arguments)
    except SettingError as error:
        print(f"scheduler: {error}", file=sys.stderr)
        return 2
    except (DureError, OSError) as error:
        print(f"scheduler: {error}", file=sys.stderr)
        return 1


def _do(arguments: argparse.Namespace) -> int:
    if arguments.command == "compile":
        _compile(read(Compiled, os.environ, prefix=compiled.PREFIX))
        return 0
    settings = read(Settings, os.environ, prefix="DURE_SCHEDULER_", shared=SHARED)
    match arguments.command:
        case "migrate":
            migrate.upgrade(settings.address.url())
        case "admin-token":
            _admin_token(settings, Path(arguments.path))
        case "restored":
            _restored(settings)
        case "verify":
            return _verify(settings, as_json=arguments.json)
        case _:
            _run(settings)
    return 0


def _run(settings: Settings) -> None:
    with compiled.kept_in(settings.compiled_folder, os.environ):
        from scheduler import process
    process.run(settings)


def _compile(settings: Compiled) -> None:
    with compiled.kept_in(settings.folder, os.environ):
        from scheduler import warming
    warming.warm()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scheduler", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("migrate", help="bring the database to the schema this code needs")
    commands.add_parser("compile", help="compile what is missing in DURE_COMPILED_FOLDER, or beside the source")
    commands.add_parser("restored", help="settle a database that was restored, before the processes start on it")
    verify = commands.add_parser(
        "verify", help="say whether what the database says holds together; 1 where it does not"
    )
    verify.add_argument("--json", action="store_true", help="as JSON")
    first = commands.add_parser("admin-token", help="write an admin token to a file of mode 600, unless one is there")
    first.add_argument("path", help="where the token goes")
    return parser.parse_args()


def _restored(settings: Settings) -> None:
    """Migrates, too: what was restored may be older than this release."""
    migrate.upgrade(settings.address.url())
    found = restored.settle(settings.address.url(), anyway=True)
    print(
        "events of the server that it was dumped on are told in their order"
        if found.moved
        else "events keep their order"
    )
    print("events get numbers that were never given; no leader from before can commit")


def _verify(settings: Settings, *, as_json: bool) -> int:
    with compiled.kept_in(settings.compiled_folder, os.environ):
        from scheduler import verifying
    with closing(Database(settings.address.url(), pool_size=1)) as db:
        verdict = verifying.verified(db)
    print(verifying.as_json(verdict) if as_json else verifying.as_lines(verdict))
    return 0 if verdict.ok else 1


def _admin_token(settings: Settings, path: Path) -> None:
    """Leaves a token that works where it is; otherwise makes one. Whoever can do this holds the database anyway."""
    db = Database(settings.address, pool_size=1)
    clock = DatabaseClock(db)
    with db.begin() as session:
        if path.exists():
            try:
                tokens.authenticate(session, path.read_text().strip(), clock.now())
                return
            except DureError as error:
                log.info("the admin token does not work", action="admin_token_renew", why=error.code)
        body = TokenIssue(role=Role.ADMIN, label="first admin")
        issued = tokens.issue(session, body, actor="scheduler admin-token", now=clock.now())
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(issued.secret + "\n")
    db.close()


if __name__ == "__main__":
    sys.exit(main())
