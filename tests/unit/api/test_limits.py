"""How large a request may be, before and after decompression."""

import gzip
import zlib

import httpx
import pytest

from api.limits import BODY, KIB, REPORT, gunzip
from dure import wire
from dure.errors import DureError, Malformed, TooLarge

GPU = {"uuid": "GPU-1", "index": 0, "product": "NVIDIA H100 80GB HBM3", "health": "ok"}


def report(gpus: int = 1, **more: object) -> bytes:
    return (
        wire.Report.model_validate(
            {"boot": "b", "seq": 1, "sent_at": 0, "interval_s": 10, "agent_version": "1", "gpus": [GPU] * gpus, **more}
        )
        .model_dump_json(exclude_none=True)
        .encode()
    )


def send(http: httpx.Client, path: str, content: bytes, **headers: str) -> httpx.Response:
    return http.post(path, content=content, headers={"content-type": "application/json", **headers})


def test_a_compressed_report_is_taken(http: httpx.Client) -> None:
    body = report(1000)
    assert len(body) > BODY.sent
    assert send(http, "/reports", gzip.compress(body), **{"content-encoding": "GZIP"}).status_code == 200
    assert send(http, "/reports", body).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "encoding", "want"),
    [
        pytest.param("/asks", b" " * (64 * KIB + 1), "identity", (413, "64 KiB"), id="an ask over 64 KiB"),
        pytest.param("/asks", b" " * (3 << 20), "identity", (413, "64 KiB"), id="an ask of 3 MiB"),
        pytest.param("/asks", b" " * (9 << 20), "identity", (413, "64 KiB"), id="an ask of 9 MiB"),
        pytest.param("/reports", b" " * ((1 << 20) + 1), "identity", (413, "1024 KiB"), id="a report over 1 MiB"),
        pytest.param("/reports", b"\0" * (256 * KIB + 1), "gzip", (413, "256 KiB"), id="over 256 KiB compressed"),
        pytest.param("/reports", gzip.compress(bytes(200 << 20), 9), "gzip", (413, "after decompression"), id="a bomb"),
        pytest.param("/reports", b"not gzip", "gzip", (400, "not the gzip"), id="not compressed at all"),
        pytest.param("/reports", gzip.compress(b"{}")[:-4], "gzip", (400, "cut off"), id="cut off"),
        pytest.param("/reports", gzip.compress(b"{}") * 2, "gzip", (400, "follows"), id="two members"),
        pytest.param("/reports", zlib.compress(b"{}"), "gzip", (400, "not the gzip"), id="zlib that says gzip"),
        pytest.param("/reports", b"{}", "br", (415, "gzip or none"), id="another encoding"),
        pytest.param("/reports", b"{}", "gzip, gzip", (415, "gzip or none"), id="compressed twice"),
        pytest.param("/asks", gzip.compress(b"{}"), "gzip", (415, "none"), id="a compressed ask"),
    ],
)
def test_a_body_beyond_its_limits_is_refused(
    http: httpx.Client, path: str, body: bytes, encoding: str, want: tuple[int, str]
) -> None:
    answer = send(http, path, body, **{"content-encoding": encoding})
    status, says = want
    assert answer.status_code == status
    assert says in answer.json()["detail"]
    if status == 413:
        assert answer.json()["numbers"]["limit_bytes"] in (BODY.sent, REPORT.sent, REPORT.unpacked)


def test_a_body_of_unknown_length_is_counted_as_it_comes(http: httpx.Client) -> None:
    answer = http.post("/asks", content=(b" " * KIB for _ in range(65)), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_a_body_at_its_limit_is_read(http: httpx.Client) -> None:
    ask = b'{"pool": "h100", "shape": {"gpus": 1}, "duration_s": 60}'
    assert send(http, "/asks", ask.ljust(64 * KIB)).status_code == 200


@pytest.mark.parametrize(
    ("packed", "most", "want"),
    [
        pytest.param(gzip.compress(b"x" * 10), 10, None, id="exactly the most"),
        pytest.param(gzip.compress(b"x" * 11), 10, TooLarge, id="one byte more"),
        pytest.param(gzip.compress(b""), 10, None, id="nothing"),
        pytest.param(b"", 10, Malformed, id="not even a header"),
    ],
)
def test_decompression_stops_at_the_most(packed: bytes, most: int, want: type[DureError] | None) -> None:
    if want is None:
        assert gunzip(packed, most) == gzip.decompress(packed)
    else:
        with pytest.raises(want):
            gunzip(packed, most)
