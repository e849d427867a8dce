"""Connections are made as the address says now: to one database at a time, and always as the processes' role."""

from pathlib import Path

from sqlalchemy import text

from scheduler.store.address import Address
from scheduler.store.db import APP_ROLE, LOOK_S, Database
from tests.cluster.daemons import until
from tests.servers import Server


def asked(database: Database, query: str) -> str:
    with database.begin() as session:
        return str(session.connection().execute(text(query)).scalar())


def test_what_an_address_says_of_settings_takes_none_of_ours_away(database_url: str) -> None:
    joined = "&" if "?" in database_url else "?"
    database = Database(
        f"{database_url}{joined}options=-c%20statement_timeout%3D5s%20-c%20search_path%3Dpublic%20-c%20role%3Dpostgres"
    )
    try:
        assert asked(database, "SELECT current_user") == APP_ROLE
        assert asked(database, "SHOW statement_timeout") == "30s"
        assert asked(database, "SHOW lock_timeout") == "10s"
        assert asked(database, "SHOW search_path") == "public"
    finally:
        database.close()


def test_connections_to_the_database_before_are_not_used_once_the_file_names_another(
    embedded: Server, tmp_path: Path
) -> None:
    file = tmp_path / "url"
    with embedded.database() as one, embedded.database() as other:
        file.write_text(one)
        database = Database(Address(file))
        try:
            first = asked(database, "SELECT current_database()")
            file.write_text(other)
            until(
                lambda: asked(database, "SELECT current_database()") != first,
                [],
                within_s=30 + LOOK_S,
                what="the other database",
            )
            assert first not in {asked(database, "SELECT current_database()") for _ in range(5)}
        finally:
            database.close()
