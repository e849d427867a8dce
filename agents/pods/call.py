"""One gRPC call over a unix socket: HTTP/2 by h2, and gRPC's framing of it.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md. A connection serves one call, so a server that was
restarted meanwhile is met like any other.
"""

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes

MAX_BYTES = 16 << 20
"""Of an answer."""

_PREFIX = 5
"""Before each message: whether it is compressed, and its length in four bytes."""

_WINDOW = 1 << 20
_READ = 1 << 16


class CallFailed(Exception):
    """There is no answer; the text says why."""


@dataclass(slots=True)
class _Answer:
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytearray = field(default_factory=bytearray)
    is_over: bool = False


def call(path: Path, method: str, message: bytes = b"", *, timeout_s: float) -> bytes:
    """The message that the server answers with, where `method` is as in `/v1.PodResourcesLister/List`.

    Raises CallFailed; also when all of it takes longer than `timeout_s` seconds.
    """
    until = time.monotonic() + timeout_s
    try:
        with socket.socket(socket.AF_UNIX) as connected:
            connected.settimeout(timeout_s)
            connected.connect(str(path))
            answer = _talk(connected, _request(method, timeout_s), message, until)
    except TimeoutError:
        raise CallFailed(f"no answer within {timeout_s:g} s") from None
    except OSError as error:
        raise CallFailed(error.strerror or str(error)) from None
    except (H2Error, ValueError) as error:
        raise CallFailed(f"it speaks no HTTP/2 that can be understood: {error or type(error).__name__}") from None
    _check(answer.headers)
    return _message(bytes(answer.body))


def _request(method: str, timeout_s: float) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", "http"),
        # What is not a host's name the kubelet's server refuses.
        (":authority", "localhost"),
        (":path", method),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", "dure-agent"),
        ("grpc-timeout", f"{max(1, int(timeout_s * 1000))}m"),
    ]


def _talk(connected: socket.socket, headers: list[tuple[str, str]], message: bytes, until: float) -> _Answer:
    http = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    http.initiate_connection()
    http.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW})
    http.increment_flow_control_window(_WINDOW)
    stream = http.get_next_available_stream_id()
    http.send_headers(stream, headers)
    http.send_data(stream, b"\0" + len(message).to_bytes(4, "big") + message, end_stream=True)
    answer = _Answer()
    while not answer.is_over:
        _wait(connected, until)
        connected.sendall(http.data_to_send())
        _wait(connected, until)
        received = connected.recv(_READ)
        if not received:
            raise CallFailed("the connection was closed before the answer was whole")
        for event in http.receive_data(received):
            _take(answer, event, http)
    return answer


def _wait(connected: socket.socket, until: float) -> None:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connected.settimeout(left)


def _take(answer: _Answer, event: Event, http: H2Connection) -> None:
    match event:
        case ResponseReceived(headers=headers) | TrailersReceived(headers=headers):
            answer.headers |= {str(name): str(value) for name, value in headers or ()}
        case DataReceived(data=data, stream_id=stream, flow_controlled_length=length):
            answer.body += data or b""
            if len(answer.body) > MAX_BYTES + _PREFIX:
                raise CallFailed(f"the answer has more than {MAX_BYTES} bytes")
            http.acknowledge_received_data(length or 0, stream or 0)
        case StreamEnded():
            answer.is_over = True
        case StreamReset(error_code=code) | ConnectionTerminated(error_code=code):
            raise CallFailed(f"the server gave up, with HTTP/2's error {code!s}")
        case _:
            pass


def _check(headers: Mapping[str, str]) -> None:
    if headers.get(":status") != "200":
        raise CallFailed(f"it answers HTTP status {headers.get(':status')}")
    status = headers.get("grpc-status")
    if status is None:
        raise CallFailed("it is no gRPC: the answer has no grpc-status")
    if status != "0":
        said = unquote(headers.get("grpc-message", ""))
        raise CallFailed(f"gRPC status {status}: {said}" if said else f"gRPC status {status}")


def _message(body: bytes) -> bytes:
    if len(body) < _PREFIX or int.from_bytes(body[1:_PREFIX], "big") != len(body) - _PREFIX:
        raise CallFailed(f"the answer's {len(body)} bytes are not one message")
    if body[0]:
        raise CallFailed("the answer is compressed, which was not asked for")
    return body[_PREFIX:]
