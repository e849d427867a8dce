"""Where the database is: said, or in a file that may change."""

import os
from pathlib import Path

import pytest

from dure.errors import Unavailable
from scheduler.store.address import Address
from scheduler.store.db import Database


def test_a_file_is_read_each_time(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://one@db/dure\n")
    address = Address(file)
    assert address.url() == "postgresql://one@db/dure"
    file.write_text("postgresql://two:pa%40ss@db/dure")
    assert address.url() == "postgresql://two:pa%40ss@db/dure"
    assert Database(address).url == "postgresql://two:pa%40ss@db/dure"


def test_what_was_said_stays() -> None:
    assert Address("postgresql://one@db/dure").url() == "postgresql://one@db/dure"


@pytest.mark.parametrize(
    "content", [None, b"", b"dure", b"mysql://root@db/dure", b"postgresql://one@db/x y", b"\xff\xfe"]
)
def test_a_file_without_an_address_is_an_absent_database_and_its_content_is_not_told(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "url"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Unavailable, match=str(file)) as told:
        Database(Address(file)).check()
    assert "mysql" not in str(told.value)


@pytest.mark.parametrize(
    "content",
    ["postgresql://u:hush@db:54x2/x", "postgresql://u:hush@db/x?bogus=1", "postgresql://u:hush@[::1/x"],
    ids=["no port", "no setting", "no host"],
)
def test_an_address_that_postgresql_does_not_take_is_an_absent_database_too(tmp_path: Path, content: str) -> None:
    file = tmp_path / "url"
    file.write_text(content)
    for look in (Address(file).url, Address(file).where, Database(Address(file)).check):
        with pytest.raises(Unavailable, match="does not take") as told:
            look()
        assert "hush" not in str(told.value)


def test_a_pipe_is_no_file_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "url")
    with pytest.raises(Unavailable, match="no such file"):
        Address(tmp_path / "url").url()


def test_who_connects_is_no_part_of_where(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://one:a@db:5433/dure")
    before = Address(file).where()
    file.write_text("postgresql://two:b@db:5433/dure?sslmode=require")
    assert Address(file).where() == before
    file.write_text("postgresql://two:b@other:5433/dure")
    assert Address(file).where() != before
