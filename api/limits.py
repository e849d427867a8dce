"""How large a request may be, before and after decompression. Reads a body and never more of it than it may have."""

import zlib
from dataclasses import dataclass

from starlette.requests import Request

from dure.errors import Malformed, TooLarge, UnsupportedMediaType
from dure.wire import MAX_REPORT_BYTES

KIB = 1 << 10

DRAINED_BYTES = 8 << 20
"""How much of a body that is too large is still read, and thrown away: who is cut off while sending reads no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """In bytes. `unpacked` is the most after decompression; None where nothing compressed is taken."""

    sent: int
    unpacked: int | None = None


BODY = Limits(sent=64 * KIB)
POLICY = Limits(sent=256 * KIB)
QUOTAS = Limits(sent=4096 * KIB)
REPORT = Limits(sent=256 * KIB, unpacked=MAX_REPORT_BYTES)


async def read(request: Request, limits: Limits) -> bytes:
    """The body, decompressed. Raises TooLarge, UnsupportedMediaType, Malformed."""
    packed = _is_gzip(request, limits)
    most = limits.sent if packed or limits.unpacked is None else limits.unpacked
    body = await _sent(request, most)
    return gunzip(body, limits.unpacked or 0) if packed else body


def gunzip(packed: bytes, most: int) -> bytes:
    """What was compressed, of which never more than `most` bytes are made. Raises TooLarge, Malformed."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        body = unpacker.decompress(packed, most + 1)
    except zlib.error as error:
        raise Malformed(f"the body is not the gzip that its Content-Encoding says: {error}") from None
    if len(body) > most:
        raise too_large(most, "after decompression")
    if not unpacker.eof or unpacker.unused_data:
        raise Malformed("the gzip body is cut off, or something follows it; send one whole gzip member")
    return body


def too_large(most: int, when: str = "") -> TooLarge:
    told = f"{most // KIB} KiB {when}".strip()
    return TooLarge(
        f"the body is larger than the {told} that we take; send less of it at a time", numbers={"limit_bytes": most}
    )


def _is_gzip(request: Request, limits: Limits) -> bool:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        return False
    if encoding == "gzip" and limits.unpacked is not None:
        return True
    taken = "gzip or none" if limits.unpacked is not None else "none"
    raise UnsupportedMediaType(f"Content-Encoding here is {taken}, not {encoding[:50]!a}")


async def _sent(request: Request, most: int) -> bytes:
    announced = request.headers.get("content-length", "")
    drained = announced.isascii() and announced.isdigit() and int(announced) > DRAINED_BYTES
    chunks: list[bytes] = []
    size = 0
    if not drained:
        async for chunk in request.stream():
            size += len(chunk)
            if size <= most:
                chunks.append(chunk)
            elif size > DRAINED_BYTES:
                break
    if drained or size > most:
        raise too_large(most)
    return b"".join(chunks)
