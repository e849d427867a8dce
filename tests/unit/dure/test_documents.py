"""YAML as people write it, and what is refused of it, with the line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dure import documents
from dure.documents import DocumentError, Items, Keys, Text


def test_a_document_is_keys_lists_and_text_with_their_lines() -> None:
    found = documents.read(b"version: 1\n\npools: # all\n  h100: {rule: 'no'}\n  b:\n    - 5%\n    - yes\n")
    assert isinstance(found, Keys)
    assert found.lines == {"version": 1, "pools": 3}
    pools = found.values["pools"]
    assert isinstance(pools, Keys)
    assert pools.lines == {"h100": 4, "b": 5}
    assert pools.values["b"] == Items(line=6, items=(Text(line=6, text="5%"), Text(line=7, text="yes")))
    assert pools.values["h100"] == Keys(line=4, values={"rule": Text(line=4, text="no")}, lines={"rule": 4})


def test_a_byte_order_mark_is_no_part_of_it() -> None:
    assert documents.read("﻿a: ü".encode()) == documents.read("a: ü".encode())


@pytest.mark.parametrize(
    ("data", "line", "says"),
    [
        pytest.param(b"", 1, "it is empty", id="nothing"),
        pytest.param(b"# only\n# comments\n", 1, "it is empty", id="comments alone"),
        pytest.param(b"a: 1\nb: \xff\n", 2, "not UTF-8", id="Latin-1"),
        pytest.param("a: 1\n".encode("utf-16"), 1, "not UTF-8", id="UTF-16"),
        pytest.param(b"a: 1\nb: 2\na: 3\n", 3, "a is said twice, here and in line 1", id="a key twice"),
        pytest.param(b"a: &x 1\nb: *x\n", 1, "&x names a part", id="an anchor"),
        pytest.param(b"a: 1\nb: *x\n", 2, "*x stands for something else", id="an alias"),
        pytest.param(b"a: !!python/object:os.system x\n", 1, "a tag (!...)", id="a tag that runs something"),
        pytest.param(b"a: !own 1\n", 1, "a tag (!...)", id="a tag of one's own"),
        pytest.param(b"a: 1\n---\nb: 2\n", 2, "a second document", id="two documents"),
        pytest.param(b"a: {b: 1\n", 2, "no YAML", id="a brace that is not closed"),
        pytest.param(b"a: 1\n\tb: 2\n", 2, "no YAML", id="a tab before a key"),
        pytest.param(b"? [a]\n: 1\n", 1, "a key is a word", id="a list as a key"),
        pytest.param(b"a: 1\nb: \x01\n", 2, "0x01", id="a control character"),
        pytest.param(b"[" * 100_000, 1, "nested more than", id="brackets without end"),
        pytest.param(b"a:\n" + b"".join(b" " * k + b"a:\n" for k in range(1, 40)), 9, "nested more than", id="depth"),
        pytest.param(b"a: " + b"x" * documents.MOST_BYTES, 1, "more than 262144 bytes", id="a huge file"),
    ],
)
def test_what_is_no_such_document_is_told_with_its_line(data: bytes, line: int, says: str) -> None:
    with pytest.raises(DocumentError) as told:
        documents.read(data)
    assert told.value.line == line
    assert says in told.value.message


def test_a_bomb_of_aliases_is_refused_before_it_grows() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefghij", "bcdefghijk", strict=True)
    )
    with pytest.raises(DocumentError, match="&a names a part"):
        documents.read(bomb.encode())


@given(st.binary(max_size=200) | st.text("ab:-[]{}&*!#'\" \n\t|>?%,", max_size=60).map(str.encode))
def test_whatever_the_bytes_are_the_answer_is_a_document_or_a_line(data: bytes) -> None:
    assert 1 <= _line(data) <= data.count(b"\n") + data.count(b"\r") + 2


def _line(data: bytes) -> int:
    try:
        return documents.read(data).line
    except DocumentError as error:
        return error.line
