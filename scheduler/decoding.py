"""Reports out of their bytes: those that are written as agents write them, fast, and never one that the slow way would refuse.

The slow way is `strict_json` and the wire's own models, which say what is wrong. What is not plain here is read there.
"""

import msgspec

from dure import wire
from scheduler.core import reported
from scheduler.core.reported import Answer, Report

_decoder = msgspec.json.Decoder(Report)
_encoder = msgspec.json.Encoder()


def plain(raw: bytes) -> Report | None:
    """The report; None where it has to be read the slow way."""
    # An escape could hide a quote, or text that cannot be stored.
    if b"\\" in raw:
        return None
    try:
        report = _decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not reported.clean(report) or _says_twice(raw, report):
        return None
    return report


def _says_twice(raw: bytes, report: Report) -> bool:
    """Whether a field is given twice, of which the decoder keeps one: every field has a colon, and what was read has each once.

    What was not sent is not written either; all texts are written as they were sent.
    """
    return _encoder.encode(report).count(b":") != raw.count(b":")


def of_wire(body: wire.Report) -> Report:
    """The same report, which was read the slow way."""
    return _decoder.decode(body.model_dump_json(exclude_unset=True).encode())


def encoded(answer: Answer, *, replay: int = 0, report_in_s: float | None = None) -> bytes:
    """The answer's JSON, with how fast the agent may go on."""
    return _encoder.encode(msgspec.structs.replace(answer, replay=replay, report_in_s=report_in_s))
