"""Where the database is: said, or in a file that may change."""

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
