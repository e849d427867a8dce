"""Reads the kubelet's answer out of protobuf's wire format: `ListPodResourcesResponse` of PodResources v1, and nothing else.

The numbers of its fields are those of k8s.io/kubelet/pkg/apis/podresources/v1/api.proto. A field that is not asked for
here, such as a device's topology, is skipped, as is one of another type than it should have.
"""

from collections.abc import Iterator
from dataclasses import dataclass

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}
_LAST_BYTE = 9
"""A varint has at most ten."""


class Unreadable(ValueError):
    """This is no such message; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Devices of one resource that a container was given. They may come in several of these."""

    namespace: str
    pod: str
    container: str
    resource: str
    devices: tuple[str, ...]


def read(answer: bytes) -> tuple[Given, ...]:
    """Everything that was given to containers, in the answer's order. Raises Unreadable."""
    return tuple(given for pod in _parts(memoryview(answer), 1) for given in _of_pod(pod))


def _of_pod(pod: memoryview) -> Iterator[Given]:
    name, namespace = _text(pod, 1), _text(pod, 2)
    for container in _parts(pod, 3):
        inside = _text(container, 1)
        for devices in _parts(container, 2):
            yield Given(
                namespace=namespace,
                pod=name,
                container=inside,
                resource=_text(devices, 1),
                devices=tuple(_decoded(device) for device in _parts(devices, 2)),
            )


def _text(message: memoryview, number: int) -> str:
    """A field that is there once. As protobuf has it: none is empty, and of several the last counts."""
    found = ""
    for part in _parts(message, number):
        found = _decoded(part)
    return found


def _decoded(part: memoryview) -> str:
    try:
        return str(part, "utf-8")
    except UnicodeDecodeError:
        raise Unreadable("a text in it is no UTF-8") from None


def _parts(message: memoryview, number: int) -> Iterator[memoryview]:
    """What each field of that number holds, those with a length alone."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind, field = tag & 7, tag >> 3
        if not 0 < field < 1 << 29:
            raise Unreadable(f"no field has the number {field}")
        if kind == _VARINT:
            _, at = _varint(message, at)
            continue
        if kind == _BYTES:
            size, at = _varint(message, at)
        elif kind in _SIZES:
            size = _SIZES[kind]
        else:
            raise Unreadable(f"a field has the wire type {kind}, which is not used")
        if size > len(message) - at:
            raise Unreadable("it ends in the middle of a field")
        if kind == _BYTES and field == number:
            yield message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where it is over."""
    value = 0
    for place in range(_LAST_BYTE + 1):
        if at + place >= len(message):
            raise Unreadable("it ends in the middle of a number")
        byte = message[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value & (1 << 64) - 1, at + place + 1
    raise Unreadable("a number in it does not end")
