"""Who wrote down what happened to leases, and which leader was the newest when it did: PostgreSQL's own word, by a trigger of the tests."""

from collections import defaultdict
from collections.abc import Collection, Mapping

import psycopg

_NOTE = """
    CREATE TABLE written (epoch bigint, who text);
    CREATE FUNCTION note_writer() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        INSERT INTO written SELECT epoch, current_setting('application_name') FROM leader;
        RETURN NULL;
    END $$;
    CREATE TRIGGER note_writer AFTER INSERT ON lease_event FOR EACH STATEMENT EXECUTE FUNCTION note_writer();
"""


def note(url: str) -> None:
    """From now on, in that database. Its address is a superuser's."""
    with psycopg.connect(url) as connection:
        connection.execute(_NOTE)


def noted(url: str, among: Collection[str]) -> Mapping[int, set[str]]:
    """By epoch, which of these wrote while it was the newest; each is named by the application that it connects as."""
    found: dict[int, set[str]] = defaultdict(set)
    with psycopg.connect(url) as connection:
        for epoch, who in connection.execute("SELECT DISTINCT epoch, who FROM written WHERE who = ANY(%s)", [[*among]]):
            found[epoch].add(who)
    return found
