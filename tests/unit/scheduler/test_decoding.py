"""Reports are read fast where they are plainly written, and never one that the strict way refuses, or otherwise than it does."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api import strict_json
from dure import wire
from dure.errors import DureError
from scheduler import decoding
from tests.unit.scheduler.test_reported import FULL


def _plainly(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _slowly(raw: bytes) -> wire.Report | None:
    try:
        return wire.Report.model_validate(strict_json.parse(raw))
    except (DureError, ValueError):
        return None


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["compact", "as Python writes it"])
def test_a_plain_report_is_read_and_says_what_was_sent(separators: tuple[str, str]) -> None:
    raw = json.dumps(FULL, separators=separators).encode()
    found, wanted = decoding.plain(raw), _slowly(raw)
    assert found is not None
    assert wanted is not None
    assert found == decoding.of_wire(wanted)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(_plainly(FULL)[:-1] + b',"seq":3}', id="a field given twice"),
        pytest.param(_plainly(FULL).replace(b'"xid":79', b'"xid":79,"xid":79'), id="a detail given twice"),
        pytest.param(_plainly(FULL).replace(b'"b1"', b'"b\\u0031"'), id="an escape"),
        pytest.param(_plainly({**FULL, "bogus": 1}), id="an unknown field"),
        pytest.param(_plainly({**FULL, "version": 3}), id="another version"),
        pytest.param(_plainly({**FULL, "seq": 0}), id="a number below the first"),
        pytest.param(_plainly({**FULL, "seq": 1 << 63}), id="a number that no database holds"),
        pytest.param(_plainly({**FULL, "seq": 1.0}), id="no whole number"),
        pytest.param(_plainly({**FULL, "sent_at": "1"}), id="a text that is a number"),
        pytest.param(_plainly({**FULL, "sent_at": 1e300}), id="no time"),
        pytest.param(_plainly(FULL).replace(b'"sent_at":1.5', b'"sent_at":NaN'), id="no number"),
        pytest.param(_plainly(FULL).replace(b'"P"', b'"\xff"'), id="no UTF-8"),
        pytest.param(_plainly(FULL).replace(b'"P"', b'"\x00"'), id="NUL"),
        pytest.param(_plainly(FULL)[:-1], id="cut off"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_what_is_not_plain_is_left_to_the_strict_way(raw: bytes) -> None:
    assert decoding.plain(raw) is None


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 70), 1 << 70),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["GPU-1", "ok", "MIG-x/1", "a b", "2027-01-15T00:00:00Z", "x" * 101, "x" * 201, ":", '":']),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["uuid", "a", "a b"]), st.integers(), max_size=2),
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for name, one in inner for found in _paths(one, (*path, name)))]


@given(path=st.sampled_from(_paths(FULL)[1:]), value=VALUES, ascii_=st.booleans())
@example(path=("gpus", 0, "health"), value="ok", ascii_=True)
def test_what_is_read_fast_is_what_the_strict_way_reads(path: tuple[Any, ...], value: Any, ascii_: bool) -> None:
    body = json.loads(json.dumps(FULL))
    inner = body
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    raw = json.dumps(body, ensure_ascii=ascii_).encode("utf-8", "surrogatepass")
    found = decoding.plain(raw)
    if found is not None:
        wanted = _slowly(raw)
        assert wanted is not None
        assert wire.Report.model_validate_json(decoding.msgspec.json.encode(found)) == wanted


@given(at=st.integers(0, len(_plainly(FULL)) - 1), what=st.binary(max_size=3))
def test_bytes_put_in_anywhere_never_make_a_report_that_the_strict_way_refuses(at: int, what: bytes) -> None:
    plain = _plainly(FULL)
    raw = plain[:at] + what + plain[at:]
    if decoding.plain(raw) is not None:
        assert _slowly(raw) is not None
