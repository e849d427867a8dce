"""A year out of one day that was lived: the day is copied back in time, with the ids and instants of each copy's own day.

What stands inside of JSON stays as it is, but in the log, which decisions are made again from. So every row has the size
that it would have.
"""

from collections.abc import Mapping, Sequence
from typing import LiteralString, cast

import psycopg

from bench.kept.day import DAY_S, LONGEST_S

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
CHANCE_BITS = 48
"""As `scheduler.ids` writes them."""

FIRST = 1_000_000_000
"""The pool's generation as the day begins; those of the copies are below."""

REFERS: Mapping[str, Mapping[str, str]] = {
    "decision": {"id": "decision", "part_of": "decision", "lease": "lease"},
    "lease": {"id": "lease", "decision": "decision"},
    "placement": {"lease": "lease"},
    "allocation": {"id": "allocation", "lease": "lease"},
    "allocation_use": {"allocation": "allocation"},
    "lease_day": {"lease": "lease"},
    "lease_event": {"lease": "lease"},
    "audit": {"subject": "lease"},
}
"""What is copied, in an order in which everything is there that is referred to; and which columns are ids of what. A row
whose first one is not of the day is left out, and `decision` and `audit` have rows of no lease.
"""

USE_DAYS = 36
"""So long ago is what agents said still there."""

_DAY = """
    CREATE SCHEMA lived;
    CREATE TABLE lived.pool_change AS SELECT * FROM pool_change WHERE generation >= {first} AND kind = 'lease';
    CREATE TABLE lived.ledger_entry AS SELECT * FROM ledger_entry;
    CREATE TABLE lived.account AS SELECT id, count(*) AS entries, a.granted, a.spent
        FROM account a JOIN ledger_entry e ON e.account = a.id GROUP BY id;
    CREATE TABLE lived.moved (kind text, old text, new text, PRIMARY KEY (kind, old));
"""

_LOG = """
    -- What a copy's leases are in the log was over before the day that was lived, as all its generations are before.
    INSERT INTO pool_change (pool, generation, at, kind, subject, value)
    SELECT t.pool, t.generation - %(span)s, t.at - %(back)s * interval '1 second', t.kind, coalesce(m.new, t.subject),
        CASE WHEN m.new IS NULL THEN t.value ELSE t.value || jsonb_strip_nulls(jsonb_build_object('id', m.new,
            'asked_at', (t.value->>'asked_at')::bigint - %(over)s, 'starts_at', (t.value->>'starts_at')::bigint - %(over)s,
            'ends_at', (t.value->>'ends_at')::bigint - %(over)s, 'stops_at', (t.value->>'stops_at')::bigint - %(over)s,
            'started_at', (t.value->>'started_at')::bigint - %(over)s, 'ended_at', (t.value->>'ended_at')::bigint - %(over)s,
            'promised_start', (t.value->>'promised_start')::bigint - %(over)s)) END
    FROM lived.pool_change t LEFT JOIN lived.moved m ON m.kind = 'lease' AND m.old = t.subject
    ORDER BY t.generation, t.seq
"""

_LEDGER = """
    INSERT INTO ledger_entry (account, seq, at, kind, debit, credit, gpu_seconds, lease, cause, actor, reason,
        granted, available, committed, spent, expired)
    SELECT t.account, t.seq + %(day)s * a.entries, t.at - %(back)s * interval '1 second', t.kind, debit, credit, gpu_seconds, m.new,
        cause, actor, reason, t.granted + %(day)s * a.granted, available, committed, t.spent + %(day)s * a.spent, expired
    FROM lived.ledger_entry t JOIN lived.account a ON a.id = t.account JOIN lived.moved m ON m.kind = 'lease' AND m.old = t.lease
    ORDER BY t.account, t.seq
"""
"""Accounts are nearly empty at the end of the day: a copy goes on where the one before it ended."""

_ACCOUNTS = """
    UPDATE account a SET seq = l.entries * (%(days)s + 1), granted = l.granted * (%(days)s + 1), spent = l.spent * (%(days)s + 1)
    FROM lived.account l WHERE l.id = a.id
"""


class Copies:
    """Of the day that is in the database now, and took `span` generations."""

    def __init__(self, connection: psycopg.Connection, *, span: int) -> None:
        self._connection, self._span = connection, span
        connection.execute(_sql(_DAY.format(first=FIRST)))
        for table in REFERS:
            connection.execute(_sql(f"CREATE TABLE lived.{table} AS SELECT * FROM {table}"))
        self._ids = {table: self._known(table) for table in ("decision", "lease", "allocation")}
        self._inserts: dict[str, LiteralString] = {table: _insert(connection, table) for table in REFERS}

    def _known(self, table: str) -> Sequence[str]:
        return [id_ for (id_,) in self._connection.execute(_sql(f"SELECT id FROM lived.{table}"))]

    def make(self, days: int) -> None:
        """One for each of the days before."""
        for day in range(1, days + 1):
            self._make(day)
        self._connection.execute(_ACCOUNTS, {"days": days})
        self._connection.execute("DROP SCHEMA lived CASCADE")

    def _make(self, day: int) -> None:
        values = {"day": day, "back": day * DAY_S, "span": day * self._span, "over": day * DAY_S + 2 * LONGEST_S}
        self._connection.execute("TRUNCATE lived.moved")
        with self._connection.cursor() as cursor, cursor.copy("COPY lived.moved FROM STDIN") as rows:
            for table, known in self._ids.items():
                for id_ in known:
                    rows.write_row((table, id_, earlier(id_, day * DAY_S)))
        for table, insert in self._inserts.items():
            if table != "allocation_use" or day <= USE_DAYS:
                self._connection.execute(insert, values)
        self._connection.execute(_LOG, values)
        self._connection.execute(_LEDGER, values)


def earlier(id_: str, seconds: int) -> str:
    """The id that would have been given so many seconds before."""
    prefix, _, figures = id_.partition("_")
    number = 0
    for figure in figures:
        number = number << 5 | ALPHABET.index(figure)
    number -= seconds * 1_000_000 << CHANCE_BITS
    return f"{prefix}_" + "".join(ALPHABET[number >> shift & 31] for shift in range(95, -1, -5))


def _insert(connection: psycopg.Connection, table: str) -> LiteralString:
    refers = list(REFERS[table])
    joins = [
        f"{'LEFT JOIN' if place or table == 'audit' else 'JOIN'} lived.moved m{place}"
        f" ON m{place}.kind = '{REFERS[table][column]}' AND m{place}.old = t.{column}"
        for place, column in enumerate(refers)
    ]
    found = connection.execute(_COLUMNS, [table]).fetchall()
    said = [
        f"coalesce(m{refers.index(name)}.new, t.{name})" if name in refers else _moved(name, of) for name, of in found
    ]
    names = ", ".join(f'"{name}"' for name, _ in found)
    return _sql(f"INSERT INTO {table} ({names}) SELECT {', '.join(said)} FROM lived.{table} t {' '.join(joins)}")


_COLUMNS = """
    SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
    WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped AND attidentity = '' ORDER BY attnum
"""


def _moved(name: str, of: str) -> str:
    if of.startswith("timestamp"):
        return f"t.\"{name}\" - %(back)s * interval '1 second'"
    if name == "generation":
        return 't."generation" - %(span)s'
    return f't."{name}" - %(day)s' if of == "date" else f't."{name}"'


def _sql(statement: str) -> LiteralString:
    """Of names that are in this file."""
    return cast("LiteralString", statement)
