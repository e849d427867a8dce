"""What a migration that expands may not do, seen in the SQL that it sends: rules for migrations, not for a database."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from alembic import command
from alembic.script import Script, ScriptDirectory

from scheduler.store import migrate

BIG = (
    "lease",
    "allocation",
    "lease_event",
    "ledger_entry",
    "decision",
    "audit",
    "pool_change",
    "node_event",
    "pod_log",
)
"""Tables that grow with time: what reads all of one under a lock stops everybody for that long."""

AS_BEFORE = "older code runs on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A statement that is matched is wrong, unless it is about a table that the same migration made."""

    wrong: re.Pattern[str]
    why: str
    on_new: bool = False
    """Whether it is wrong about a table that the migration made, too."""


def _rule(wrong: str, why: str, *, on_new: bool = False) -> Rule:
    return Rule(wrong=re.compile(wrong, re.IGNORECASE | re.DOTALL), why=why, on_new=on_new)


_TABLE = r"ALTER TABLE (?:ONLY |IF EXISTS )*(?P<table>\w+)\b.*?\b"
_ON = r".*?\bON (?P<table>\w+)\b"

RULES = (
    _rule(r"DROP (TABLE|VIEW|TYPE|FUNCTION|SEQUENCE|ROLE|SCHEMA|TRIGGER)\b", f"{AS_BEFORE}, and may use it"),
    _rule(_TABLE + r"DROP COLUMN\b", f"{AS_BEFORE}, and may use it"),
    _rule(
        _TABLE + r"DROP CONSTRAINT (?!ck_)",
        f"{AS_BEFORE}, and may rely on it; only what is checked of a row may get wider",
    ),
    _rule(
        r"DROP INDEX(?! CONCURRENTLY)\b", "stops all who use the table; use `indexes.drop`, in a contract", on_new=True
    ),
    _rule(r"ALTER (TABLE|INDEX|SEQUENCE|TYPE|FUNCTION)\b.*?\bRENAME\b", f"{AS_BEFORE} under the name that it knows"),
    _rule(
        _TABLE + r"ALTER (COLUMN )?\w+ (SET DATA )?TYPE\b",
        "writes the whole table anew, and older code sends the type before",
    ),
    _rule(_TABLE + r"ALTER (COLUMN )?\w+ (SET|DROP) NOT NULL\b", f"reads the whole table, or {AS_BEFORE} without null"),
    _rule(_TABLE + r"ALTER (COLUMN )?\w+ DROP DEFAULT\b", f"{AS_BEFORE}, and does not fill the column"),
    _rule(
        _TABLE + r"ADD (COLUMN )?(IF NOT EXISTS )?\w+ (?:(?!\bDEFAULT\b|,).)*NOT NULL(?:(?!\bDEFAULT\b|,).)*(,|$)",
        f"{AS_BEFORE}, and does not fill the column; give it a default",
    ),
    _rule(
        _TABLE
        + r"ADD (COLUMN )?(IF NOT EXISTS )?\w+ [^,]*(\bDEFAULT\b (?!now\(\))[^,]*\(|\bGENERATED\b|\b(BIG)?SERIAL\b)",
        "writes the whole table anew; a default is a constant",
    ),
    _rule(
        _TABLE + r"ADD (CONSTRAINT \w+ )?(CHECK|FOREIGN KEY)\b(?!.*\bNOT VALID\b)",
        "reads the whole table under a lock; add it NOT VALID, and validate it in a migration of its own",
    ),
    _rule(
        _TABLE + r"ADD (CONSTRAINT \w+ )?(PRIMARY KEY|UNIQUE|EXCLUDE)\b(?!.*\bUSING INDEX\b)",
        "builds an index under a lock; `indexes.build` it and add the constraint USING INDEX",
    ),
    _rule(r"CREATE (UNIQUE )?INDEX (?!CONCURRENTLY)" + _ON, "stops all who write to the table; use `indexes.build`"),
    _rule(r"REINDEX (?!.*CONCURRENTLY)", "stops all who use the table", on_new=True),
    _rule(r"(VACUUM\b.*\bFULL|CLUSTER|LOCK|TRUNCATE)\b", "stops all who use the table", on_new=True),
    _rule(_TABLE + r"SET (LOGGED|UNLOGGED|TABLESPACE|ACCESS METHOD)\b", "writes the whole table anew"),
    _rule(_TABLE + r"ATTACH PARTITION\b", "reads the whole table under a lock"),
    _rule(r"REVOKE\b", f"{AS_BEFORE}, and may need it", on_new=True),
    _rule(rf"(UPDATE|DELETE FROM) (ONLY )?(?P<table>{'|'.join(BIG)})\b", "goes through a table that grows with time"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """A migration, what it says of itself and the statements that it sends."""

    revision: str
    step: str | None
    statements: tuple[str, ...]


def faults(statements: tuple[str, ...]) -> list[str]:
    """What is wrong with a migration that expands, a sentence each."""
    made = {
        found[1].lower() for one in statements for found in re.finditer(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", one)
    }
    return [f"{one}: {rule.why}" for one in statements for rule in RULES if _breaks(rule, one, made)]


def _breaks(rule: Rule, statement: str, made: set[str]) -> bool:
    found = rule.wrong.match(statement)
    if found is None:
        return False
    table = found.groupdict().get("table")
    return rule.on_new or table is None or table.lower() not in made


def after(revision: str) -> Iterator[Migration]:
    """The migrations after that one, oldest first."""
    config = migrate.config("postgresql://")
    scripts = ScriptDirectory.from_config(config)
    found = list(scripts.iterate_revisions("head", revision))
    for script in reversed(found):
        yield Migration(
            revision=script.revision,
            step=getattr(script.module, "step", None),
            statements=statements(_sql(script)),
        )


def _sql(script: Script) -> str:
    config = migrate.config("postgresql://")
    config.output_buffer = buffer = io.StringIO()
    command.upgrade(config, f"{script.down_revision}:{script.revision}", sql=True)
    return buffer.getvalue()


def statements(sql: str) -> tuple[str, ...]:
    """Apart, each on a line of its own; those of a block apart too, and what Alembic and `schema` write of themselves left out."""
    plain = re.sub(r"--[^\n]*", "", sql)
    split = [" ".join(one.split()) for one in plain.split(";")]
    ours = re.compile(
        r"(UPDATE|INSERT INTO|CREATE TABLE) (schema_version|alembic_version|IF NOT EXISTS alembic_version)|BEGIN$|COMMIT$|DO \$\$|END|$"
    )
    return tuple(one for one in split if not ours.match(one))
