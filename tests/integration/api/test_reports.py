"""Reports of agents over HTTP: what is taken, what is answered, and what is refused."""

import gzip
import json
from typing import Any

import httpx
import pytest

from api import examples
from dure import wire
from tests.integration.api.conftest import Site, code
from tests.integration.scheduler.conftest import T0

GPUS = 8
SEEN = {"allocation": "alo_1", "day_began_at": "2027-01-15T00:00:00Z", "sampled_ms": 2, "busy_ms": 1}


def report(**more: Any) -> dict[str, Any]:
    """One of n1's, as `World` makes them, so that nothing about its GPUs changes."""
    gpu = {"product": "NVIDIA H100 80GB HBM3", "health": "ok", "memory_used_bytes": 0, "processes": 0}
    gpus = [{**gpu, "uuid": f"GPU-n1-{index}", "index": index} for index in range(GPUS)]
    return {**examples.requests("report_node")[0], "seq": 1, "boot": "b2", "gpus": gpus, **more}


def send(site: Site, body: Any, *, packed: bool = False, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"content-type": "application/json", **({"content-encoding": "gzip"} if packed else {}), **headers}
    return site.post("n1", "/v1/nodes/n1/reports", content=gzip.compress(content) if packed else content, headers=sent)


@pytest.mark.parametrize("packed", [True, False], ids=["compressed", "plain"])
def test_the_answer_says_what_the_node_holds(site: Site, packed: bool) -> None:
    lease = site.ask("acme", 16).json()
    site.world.turn(T0)
    answer = wire.ReportAnswer.model_validate(send(site, report(), packed=packed).json())
    assert (answer.seq, answer.server_time) == (1, T0)
    assert [found.gpu for found in answer.allocations] == [f"GPU-n1-{index}" for index in range(GPUS)]
    assert {(found.lease, found.company, found.ended) for found in answer.allocations} == {(lease["id"], "acme", False)}


def test_the_same_report_again_is_answered_the_same(site: Site) -> None:
    assert send(site, report()).json() == send(site, report()).json()


def test_a_report_of_a_thousand_gpus_is_taken(site: Site) -> None:
    gpus = [{**report()["gpus"][0], "uuid": f"GPU-n1-{index}", "index": index % 1024} for index in range(1024)]
    assert send(site, report(gpus=gpus), packed=True).status_code == 200


@pytest.mark.parametrize(
    "off_s", [86_400, -86_400, -T0, 10**10], ids=["a day ahead", "a day behind", "1970", "in 300 years"]
)
def test_a_clock_that_is_off_is_noted_and_decides_nothing(site: Site, off_s: int) -> None:
    answer = send(site, report(sent_at=T0 + off_s))
    assert (answer.status_code, answer.json()["server_time"]) == (200, T0)
    node = site.get("admin", "/v1/nodes/n1").json()
    assert (node["clock_offset_s"], node["last_report_at"]) == (off_s, "2027-01-15T08:00:00Z")


@pytest.mark.parametrize(
    ("body", "want"),
    [
        pytest.param(b"\x00\xff garbage", (400, "malformed"), id="garbage"),
        pytest.param(b"", (422, "invalid_request"), id="nothing"),
        pytest.param(b"[]", (422, "invalid_request"), id="a list"),
        pytest.param(report(version=3), (422, "invalid_request"), id="a version from the future"),
        pytest.param(report(bogus=1), (422, "invalid_request"), id="an unknown field"),
        pytest.param(report(seq=0), (422, "invalid_request"), id="a number below the first"),
        pytest.param(report(seq=2**63), (422, "invalid_request"), id="a number that no database holds"),
        pytest.param(report(sent_at=-1), (422, "invalid_request"), id="before time began"),
        pytest.param(report(sent_at="1e400"), (422, "invalid_request"), id="a time without an end"),
        pytest.param(
            json.dumps(report()).replace("1795478400", "1e999").encode(),
            (422, "invalid_request"),
            id="infinity by overflow",
        ),
        pytest.param(json.dumps(report()).replace("1795478400", "NaN").encode(), (400, "malformed"), id="no number"),
        pytest.param(report(gpus=report()["gpus"] * 2), (422, "invalid_request"), id="a GPU named twice"),
        pytest.param(report(gpus=report()["gpus"] * 129), (422, "invalid_request"), id="more GPUs than a node has"),
        pytest.param(
            report(usage=[{**SEEN, "sampled_ms": 1, "busy_ms": 2}]),
            (422, "invalid_request"),
            id="busier than sampled",
        ),
        pytest.param(
            report(usage=[{**SEEN, "day_began_at": "2027-01-16T00:00:00Z"}]),
            (422, "invalid_request"),
            id="a day that has not begun",
        ),
    ],
)
def test_garbage_is_refused_and_the_node_stays_as_it_was(standing: Site, body: Any, want: tuple[int, str]) -> None:
    before = standing.get("admin", "/v1/nodes/n1").json()
    assert code(send(standing, body)) == want
    assert standing.get("admin", "/v1/nodes/n1").json() == before


def test_a_gpu_of_another_node_is_not_taken_over(site: Site) -> None:
    gpus = [{**report()["gpus"][0], "uuid": "GPU-n2-0"}]
    assert code(send(site, report(gpus=gpus))) == (409, "gpu_claimed")


def test_an_older_report_of_the_same_agent_is_refused(site: Site) -> None:
    assert send(site, report(seq=5)).status_code == 200
    assert code(send(site, report(seq=4))) == (409, "stale_report")
    assert send(site, report(seq=1, boot="b3")).status_code == 200


@pytest.mark.parametrize(
    ("content", "encoding", "want"),
    [
        pytest.param(gzip.compress(bytes(64 << 20), 9), "gzip", (413, "too_large"), id="a bomb"),
        pytest.param(b" " * ((1 << 20) + 1), "identity", (413, "too_large"), id="over 1 MiB"),
        pytest.param(b"{}", "gzip", (400, "malformed"), id="not compressed"),
        pytest.param(b"{}", "zstd", (415, "unsupported_media_type"), id="compressed otherwise"),
    ],
)
def test_a_report_beyond_its_limits_is_refused(
    standing: Site, content: bytes, encoding: str, want: tuple[int, str]
) -> None:
    headers = {"content-type": "application/json", "content-encoding": encoding}
    assert code(standing.post("n1", "/v1/nodes/n1/reports", content=content, headers=headers)) == want


def test_an_unknown_node_cannot_report(standing: Site) -> None:
    """Its token says who it is; there is none for a node that was not enrolled."""
    assert code(standing.post(None, "/v1/nodes/n9/reports", json=report())) == (401, "token_missing")
    assert code(standing.post("n1", "/v1/nodes/n9/reports", json=report())) == (403, "wrong_node")
    assert code(standing.post("admin", "/v1/nodes/n9/reports", json=report())) == (403, "forbidden")
