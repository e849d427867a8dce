"""The allocator's own shapes of reports are those of the wire, field by field, and within the same bounds."""

from typing import Any

import msgspec
import pytest
from msgspec import UNSET
from pydantic import TypeAdapter

from dure import wire
from dure.wire.reports import AllocationUsage
from scheduler.core import reported

PAIRS = (
    "Report",
    "GpuReading",
    "GpuChange",
    "GpuHolder",
    "GpuViolation",
    "Unproved",
    "NodeEvent",
    "AllocationUsage",
    "EarlierUsage",
)
BOUNDS = ("type", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "const", "$ref")


def _schemas() -> tuple[dict[str, Any], dict[str, Any]]:
    of_wire = wire.Report.model_json_schema()
    ours = msgspec.json.schema(reported.Report)
    return {**of_wire["$defs"], "Report": of_wire}, ours["$defs"]


def _alternatives(schema: Any) -> set[tuple[Any, ...]]:
    """What a value may be, as tuples of bounds: whichever way it is said."""
    if "anyOf" in schema:
        return {found for one in schema["anyOf"] for found in _alternatives(one)}
    if "enum" in schema:
        return {("one of", *sorted(map(str, schema["enum"])))}
    found: tuple[Any, ...] = tuple(schema.get(bound) for bound in BOUNDS)
    if "pattern" in schema:
        found = ("named", *found[1:3])
    inner = [
        _alternatives(schema[name]) for name in ("items", "additionalProperties") if isinstance(schema.get(name), dict)
    ]
    return {(*found, frozenset(inner[0]) if inner else None)}


def _named(alternatives: set[tuple[Any, ...]], like: set[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    """Texts that the wire has a pattern for are only bounded in their length here; `clean` looks at their letters."""
    if not any("named" in one for one in like):
        return alternatives
    return {("named", None, None, one[-1]) if one[0] == "string" else one for one in alternatives}


@pytest.mark.parametrize("name", PAIRS)
def test_every_field_is_that_of_the_wire_within_the_same_bounds(name: str) -> None:
    of_wire, ours = (schemas[name] for schemas in _schemas())
    assert list(of_wire["properties"]) == list(ours["properties"])
    assert set(of_wire["required"]) == set(ours["required"])
    assert (of_wire["additionalProperties"], ours["additionalProperties"]) == (False, False)
    for field, wanted in of_wire["properties"].items():
        if field == "day_began_at":
            continue  # a text here, which `instant` reads
        want = _alternatives(wanted)
        found = _named(_alternatives(ours["properties"][field]), want)
        if field in {"knew_ended", "detail"}:
            continue  # lists and names of ids: looked at below
        assert found == want, field


def test_the_answer_has_the_fields_of_the_wires_in_order() -> None:
    assert reported.Answer.__struct_fields__ == tuple(wire.ReportAnswer.model_fields)
    assert reported.NodeAllocation.__struct_fields__ == tuple(wire.NodeAllocation.model_fields)


FULL: dict[str, Any] = {
    "version": 2,
    "boot": "b1",
    "host_boot": "h1",
    "seq": 3,
    "sent_at": 1.5,
    "interval_s": 10,
    "agent_version": "1",
    "gpus": [{"uuid": "GPU-1", "index": 0, "product": "P", "health": "ok", "parent": "GPU-0"}],
    "knew_ended": ["alo_1"],
    "usage": [{"allocation": "alo_1", "day_began_at": "2027-01-15T00:00:00Z", "sampled_ms": 2, "busy_ms": 1}],
    "base": 2,
    "changed": [{"uuid": "GPU-1", "processes": None}],
    "holders": [{"gpu": "GPU-1", "namespace": "n", "pod": "p", "container": "c", "resource": "r"}],
    "violations": [{"gpu": "GPU-1", "kind": "process", "since": 1}],
    "unproved": [{"allocation": "alo_1", "why": "it is scrubbed"}],
    "events": [{"id": 1, "at": 1, "kind": "xid", "gpu": "GPU-1", "detail": {"xid": 79}}],
    "earlier": [
        {
            "boot": "b0",
            "usage": [{"allocation": "alo_1", "day_began_at": "2027-01-15T00:00:00Z", "sampled_ms": 2, "busy_ms": 1}],
        }
    ],
}

NAMES = [
    ("boot",),
    ("host_boot",),
    ("gpus", 0, "uuid"),
    ("gpus", 0, "product"),
    ("gpus", 0, "parent"),
    ("knew_ended", 0),
    ("usage", 0, "allocation"),
    ("usage", 0, "day_began_at"),
    ("changed", 0, "uuid"),
    ("holders", 0, "gpu"),
    ("violations", 0, "gpu"),
    ("unproved", 0, "allocation"),
    ("events", 0, "gpu"),
    ("earlier", 0, "boot"),
    ("earlier", 0, "usage", 0, "allocation"),
    ("earlier", 0, "usage", 0, "day_began_at"),
]


def _with(path: tuple[Any, ...], value: Any) -> Any:
    found = msgspec.json.decode(msgspec.json.encode(FULL))
    inner = found
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    return found


def test_a_report_with_everything_in_it_is_clean() -> None:
    wire.Report.model_validate(FULL)
    assert reported.clean(msgspec.convert(FULL, reported.Report))


@pytest.mark.parametrize("path", NAMES, ids=lambda path: ".".join(map(str, path)))
def test_a_name_with_letters_that_no_such_name_has_is_not_clean(path: tuple[Any, ...]) -> None:
    spoiled = _with(path, "GPU-\nnothing\t")
    with pytest.raises(ValueError, match=str(path[-1])):
        wire.Report.model_validate(spoiled)
    assert not reported.clean(msgspec.convert(spoiled, reported.Report))


def test_a_detail_with_a_name_that_is_none_is_not_clean() -> None:
    assert not reported.clean(msgspec.convert(_with(("events", 0, "detail"), {"a b": 1}), reported.Report))


@pytest.mark.parametrize(
    "text",
    [
        "2027-01-15T00:00:00Z",
        "2027-01-15T09:00:00+09:00",
        "2027-01-15T00:00:00.5Z",
        "2027-01-15 00:00:00Z",
        "2027-01-15",
        "20270115T000000Z",
        "1800000000",
        "2027-13-15T00:00:00Z",
        "3000-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00",
        "2027-01-15T00:00:00",
        "2027-01-15T24:00:00Z",
        "2027-01-15T00:00:00+25:00",
    ],
)
def test_an_instant_that_is_read_is_what_the_wire_reads(text: str) -> None:
    found = reported.instant(text)
    try:
        wanted = TypeAdapter(AllocationUsage).validate_python(
            {"allocation": "a", "day_began_at": text, "sampled_ms": 1, "busy_ms": 1}
        )
    except ValueError:
        assert found is None
    else:
        assert found in {None, wanted.day_began_at}


def test_what_was_not_sent_is_unset() -> None:
    report = msgspec.convert({**FULL, "gpus": []}, reported.Report)
    assert report.changed
    assert report.changed[0].processes is None
    assert report.changed[0].health is UNSET
