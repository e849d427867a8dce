"""Every table has its place in what is kept, and the page about it is what the code says."""

from pathlib import Path

from sqlmodel import SQLModel

from docs.made import retention as made
from scheduler import retention
from scheduler.store import parts, tables

PAGE = Path(__file__).parents[3] / "docs" / "retention.md"

assert tables.Leader.metadata is SQLModel.metadata


def test_every_table_is_kept_for_a_time_that_is_written_down() -> None:
    assert sorted(kept.table for kept in retention.TABLES) == sorted(SQLModel.metadata.tables)


def test_the_page_is_made_from_the_code() -> None:
    assert PAGE.read_text() == made.page()


def test_what_goes_by_months_is_what_has_parts() -> None:
    by_months = {kept.table for kept in retention.TABLES if kept.how == "part"} - {"pool_book"}
    assert by_months == set(parts.PARENTS)


def test_what_goes_has_a_time_by_which_it_does() -> None:
    assert all(kept.by for kept in retention.TABLES if kept.how != "stays")
    assert retention.keep(None, 730) == retention.FOR_EVER
