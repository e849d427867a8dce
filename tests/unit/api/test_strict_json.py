"""JSON that readers disagree about is refused by name."""

import pytest

from api import strict_json
from dure.errors import InvalidRequest, Malformed


@pytest.mark.parametrize(
    ("body", "want"),
    [
        pytest.param(b'{"a": [1, 2.5, "x", null, true]}', {"a": [1, 2.5, "x", None, True]}, id="every kind of value"),
        pytest.param('{"a": "한국 GPU 🦜"}'.encode(), {"a": "한국 GPU 🦜"}, id="text beyond ASCII"),
        pytest.param(rb'{"a": "\ud83e\udd9c"}', {"a": "🦜"}, id="a paired surrogate is one character"),
        pytest.param(
            rb'{"a": "\\u0000 and \\ud800"}', {"a": r"\u0000 and \ud800"}, id="an escaped backslash is no escape"
        ),
        pytest.param(b"0", 0, id="a bare number"),
    ],
)
def test_json_is_read(body: bytes, want: object) -> None:
    assert strict_json.parse(body) == want


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param(b"{", "line 1 column 2", id="cut off"),
        pytest.param(b"{'a': 1}", "not JSON", id="single quotes"),
        pytest.param(b'{"a": 1} trailing', "Extra data", id="something follows"),
        pytest.param(b'{"a": NaN}', "NaN is no JSON number", id="NaN"),
        pytest.param(b'{"a": -Infinity}', "-Infinity is no JSON number", id="Infinity"),
        pytest.param(b'{"a": 1, "b": {"c": 1, "c": 2}}', "'c' is given twice", id="a field twice, deep inside"),
        pytest.param(b"[" * 100_000, "nested deeper", id="nested beyond reason"),
        pytest.param(b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "nested deeper", id="whole, but nested beyond reason"),
        pytest.param(b'{"a": ' + b"9" * 5_000 + b"}", "more digits", id="a number beyond reason"),
        pytest.param(b'{"a": "\xff"}', "not UTF-8", id="bytes that are no UTF-8"),
        pytest.param('{"a": 1}'.encode("utf-16"), "not UTF-8", id="UTF-16"),
        pytest.param(b'{"a": "\x00"}', "control character", id="a raw NUL"),
        pytest.param(b"\xef\xbb\xbf{}", "BOM", id="a byte order mark"),
        pytest.param(b'{"a\\u0000a": 1, "a\\u0000a": 2}', "given twice", id="a field with a NUL, twice"),
    ],
)
def test_what_is_no_json_is_malformed(body: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        strict_json.parse(body)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param(rb'{"name": "a\u0000b"}', "name", id="a NUL"),
        pytest.param(rb'{"gpus": [{"uuid": "\ud800"}]}', "gpus.0.uuid", id="half a surrogate pair"),
        pytest.param(rb'"\udfff"', "body", id="the other half, alone"),
        pytest.param(rb'{"a": {"b\ud800": 1}}', "a.(name)", id="in a field's name"),
    ],
)
def test_text_that_the_database_cannot_hold_is_named(body: bytes, field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        strict_json.parse(body)
    assert [found.field for found in refused.value.errors] == [field]


def test_many_fields_of_which_the_last_is_given_twice_take_no_time() -> None:
    fields = ",".join(f'"f{index}":1' for index in range(100_000))
    with pytest.raises(Malformed, match="'f99999' is given twice"):
        strict_json.parse(f'{{{fields},"f99999":2}}'.encode())
