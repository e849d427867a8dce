"""The decoder says the same as protobuf's own, and of what is no such message says so."""

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from agents.pods.messages import Given, Unreadable, read
from tests.unit.agents.podresources import MESSAGES, answer

WORDS = st.text(st.characters(codec="utf-8"), max_size=300)
DEVICES = st.lists(st.tuples(WORDS, st.lists(WORDS, max_size=4)), max_size=3)
PODS = st.dictionaries(st.tuples(WORDS, WORDS), st.dictionaries(WORDS, DEVICES, max_size=3), max_size=4)

VARINT = st.integers(0, (1 << 64) - 1)
UNKNOWN = st.lists(
    st.one_of(
        st.tuples(st.just(0), VARINT),
        st.tuples(st.just(1), st.binary(min_size=8, max_size=8)),
        st.tuples(st.just(2), st.binary(max_size=200)),
        st.tuples(st.just(5), st.binary(min_size=4, max_size=4)),
    ),
    max_size=5,
)


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def fields(found: list[tuple[int, Any]], first: int) -> bytes:
    """As fields that no version of the message has, from the number `first` on."""
    said = b""
    for number, (kind, value) in enumerate(found, first):
        said += varint(number << 3 | kind)
        said += varint(value) if kind == 0 else (varint(len(value)) if kind == 2 else b"") + value
    return said


def by_protobuf(said: bytes) -> tuple[Given, ...]:
    found = MESSAGES["ListPodResourcesResponse"].FromString(said)
    return tuple(
        Given(
            namespace=pod.namespace,
            pod=pod.name,
            container=container.name,
            resource=one.resource_name,
            devices=tuple(one.device_ids),
        )
        for pod in found.pod_resources
        for container in pod.containers
        for one in container.devices
    )


@given(PODS)
def test_what_protobuf_wrote_is_read_as_protobuf_reads_it(pods: Any) -> None:
    said = answer(pods).SerializeToString()
    assert read(said) == by_protobuf(said)


@given(PODS, UNKNOWN, UNKNOWN)
def test_fields_that_are_not_known_are_skipped_wherever_they_are(pods: Any, before: Any, after: Any) -> None:
    made = answer(pods)
    for pod in made.pod_resources:
        pod.MergeFromString(fields(after, 20))
        for container in pod.containers:
            container.MergeFromString(fields(before, 7))
            for one in container.devices:
                # A topology, which is field 3 of the real message.
                one.MergeFromString(fields([(2, b"\x0a\x02\x08\x01")], 3))
    said = fields(before, 9) + made.SerializeToString() + fields(after, 300)
    assert read(said) == by_protobuf(said) == by_protobuf(answer(pods).SerializeToString())


@given(st.binary(max_size=60))
def test_of_any_bytes_it_says_what_protobuf_says_or_that_they_cannot_be_read(said: bytes) -> None:
    try:
        found = read(said)
    except Unreadable:
        return
    try:
        want = by_protobuf(said)
    except DecodeError:
        # Protobuf reads every field to its depth, and this reads only what is asked for.
        return
    assert found == want


@given(PODS, st.data())
def test_a_message_that_is_cut_off_is_never_read_as_one_that_says_something_else(pods: Any, data: Any) -> None:
    said = answer(pods).SerializeToString()
    short = said[: data.draw(st.integers(0, len(said)))]
    try:
        found = read(short)
    except Unreadable:
        with pytest.raises(DecodeError):
            by_protobuf(short)
        return
    assert found == by_protobuf(said)[: len(found)]


@pytest.mark.parametrize(
    ("said", "want"),
    [
        pytest.param(b"\x0a\x05abc", "ends in the middle of a field", id="a length that is not there"),
        pytest.param(b"\x0a", "ends in the middle of a number", id="a tag alone"),
        pytest.param(b"\x80" * 11, "does not end", id="a number without an end"),
        pytest.param(b"\x0b\x0c", "wire type 3", id="a group"),
        pytest.param(b"\x02\x00", "the number 0", id="field zero"),
        pytest.param(b"\x0a\x03\x0a\x01\xff", "no UTF-8", id="a name that is no text"),
    ],
)
def test_what_is_wrong_with_a_message_is_said(said: bytes, want: str) -> None:
    with pytest.raises(Unreadable, match=want):
        read(said)


def test_a_name_that_comes_twice_is_the_last() -> None:
    pod = bytes.fromhex("0a0161 0a0162 12016e 1a0e 0a0163 1209 0a0172 120447505531")
    said = b"\x0a" + varint(len(pod)) + pod
    assert read(said) == by_protobuf(said)
    assert read(said)[0].pod == "b"
