"""Reports of agents over HTTP: what is taken, what is answered, and what is refused."""

import asyncio
import gzip
import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from psycopg.errors import DeadlockDetected
from sqlalchemy.exc import OperationalError

from api import examples, intake, reporting
from dure import wire
from dure.errors import TokenInvalid, Unavailable
from scheduler import decoding
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


def test_the_answer_to_a_whole_report_says_which_pool_each_gpu_is_in_and_to_others_that_it_is_as_it_was(
    site: Site,
) -> None:
    whole = wire.ReportAnswer.model_validate(send(site, report()).json())
    more = report(version=2, seq=2, base=1, gpus=[])
    built_on_it = wire.ReportAnswer.model_validate(send(site, more).json())

    assert whole.pools == {f"GPU-n1-{index}": "h100" for index in range(GPUS)}
    assert (built_on_it.whole, built_on_it.pools) == (False, None)


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


def change(*, seq: int, base: int, **more: Any) -> dict[str, Any]:
    return report(version=2, seq=seq, base=base, gpus=[], **more)


def test_a_change_builds_on_the_report_before_and_one_that_cannot_asks_for_a_whole_one(site: Site) -> None:
    assert send(site, report(version=2)).json()["whole"] is False
    changed = [{"uuid": "GPU-n1-0", "processes": 2}]
    assert send(site, change(seq=2, base=1, changed=changed), packed=True).json()["whole"] is False
    assert site.get("admin", "/v1/nodes/n1").json()["gpus"][0]["processes"] == 2
    assert send(site, change(seq=3, base=1, changed=changed)).json()["whole"] is True


def test_a_report_that_is_not_written_plainly_is_taken_all_the_same(site: Site) -> None:
    body = json.dumps(report(version=2, agent_version="\u00e9")).encode()
    assert decoding.plain(body) is None
    assert send(site, body).status_code == 200
    assert site.get("admin", "/v1/nodes/n1").json()["agent_version"] == "\u00e9"
    change_ = json.dumps(change(seq=2, base=1, agent_version="\u00e9")).encode()
    assert send(site, change_).json()["whole"] is False


def test_a_report_of_a_version_from_the_future_hears_which_are_spoken_here(site: Site) -> None:
    answer = send(site, report(version=3, novelty={"of": "tomorrow"}))
    assert code(answer) == (422, "invalid_request")
    assert "versions 1 and 2" in answer.json()["detail"]
    assert [error["field"] for error in answer.json()["errors"]] == ["version"]


def test_who_may_not_report_hears_that_before_what_is_wrong_with_the_report(site: Site) -> None:
    for body in (report(version=3), report(seq=0), report()):
        answer = site.post("acme", "/v1/nodes/n1/reports", json=body)
        assert code(answer) == (403, "forbidden")


def test_a_second_agent_on_a_node_is_told_of_the_first(site: Site) -> None:
    assert send(site, report(boot="old", seq=7)).status_code == 200
    assert send(site, report(boot="new")).status_code == 200
    answer = send(site, report(boot="old", seq=8))
    assert code(answer) == (409, "second_agent")
    assert "boot new" in answer.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"content-type": "application/json; charset=utf-8"}, id="with a charset"),
        pytest.param({"content-encoding": "identity"}, id="identity"),
        pytest.param({"authorization": "bearer "}, id="a scheme in small letters"),
    ],
)
def test_headers_that_mean_the_same_are_read_the_same(site: Site, headers: dict[str, str]) -> None:
    if "authorization" in headers:
        headers = {"authorization": headers["authorization"] + site.secrets["n1"]}
    assert send(site, report(), packed=False, **headers).status_code == 200


@pytest.mark.parametrize(
    ("path", "headers", "want"),
    [
        ("/v1/nodes/n1/reports?dry_run=true", {}, (422, "invalid_request")),
        ("/v1/nodes/n1/reports", {"content-type": "text/plain"}, (415, "unsupported_media_type")),
        ("/v1/nodes/N_1/reports", {}, (403, "wrong_node")),
        ("/v1/nodes/n1/reports/", {}, (404, "not_found")),
        ("/v1/nodes/n1/reports", {"authorization": "Bearer dure_nobody"}, (401, "token_invalid")),
    ],
)
def test_what_no_address_takes_is_refused_here_too(
    standing: Site, path: str, headers: Mapping[str, str], want: tuple[int, str]
) -> None:
    sent = {"content-type": "application/json", **headers}
    assert code(standing.post("n1", path, content=json.dumps(report()).encode(), headers=sent)) == want


def test_what_happened_on_a_node_is_kept_and_shown(site: Site) -> None:
    xid = {"id": 4, "at": T0 - 5, "kind": "xid", "gpu": "GPU-n1-0", "detail": {"xid": 79}}
    answer = send(site, report(version=2, sent_at=T0, events=[xid])).json()
    assert answer["events_taken"] == 4
    [found] = site.get("auditor", "/v1/nodes/n1/events").json()["items"]
    assert (found["kind"], found["at"], found["detail"]) == ("xid", "2027-01-15T07:59:55Z", {"xid": 79})
    assert code(site.get("admin", "/v1/nodes/n9/events")) == (404, "unknown_node")


def test_reports_that_arrive_together_share_transactions_and_each_gets_its_own_answer(site: Site) -> None:
    send(site, report(version=2))
    bodies = [report(version=2, seq=seq) for seq in range(2, 34)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda body: send(site, body), bodies))
    for body, answer in zip(bodies, answers, strict=True):
        assert answer.status_code == 409 or answer.json()["seq"] == body["seq"]
    assert any(answer.status_code == 200 for answer in answers)
    assert "dure_api_reports_together_sum" in site.get(None, "/metrics").text


def test_an_app_that_has_more_reports_to_take_in_than_it_may_says_when_to_come_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MOST_WAITING", 0)
    answer = send(site, report())
    assert code(answer) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 2
    assert "nothing is lost" in answer.json()["detail"]
    monkeypatch.undo()
    assert send(site, report()).status_code == 200


def test_who_was_not_admitted_lately_has_few_places_and_others_have_the_rest(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert send(site, report()).status_code == 200
    monkeypatch.setattr(intake, "MOST_STRANGERS", 0)
    assert send(site, report(seq=2)).status_code == 200
    site.secrets["n1"], mine = "dure_nobody", site.secrets["n1"]
    assert code(send(site, report(seq=3))) == (503, "unavailable")
    monkeypatch.undo()
    assert code(send(site, report(seq=3))) == (401, "token_invalid")
    site.secrets["n1"] = mine
    assert send(site, report(seq=3)).status_code == 200


@pytest.mark.parametrize("packed", [True, False], ids=["compressed", "plain"])
def test_only_reports_of_who_was_admitted_lately_are_read_in_the_event_loop(
    site: Site, monkeypatch: pytest.MonkeyPatch, *, packed: bool
) -> None:
    threads: list[int] = []
    read = decoding.plain

    def plain(raw: bytes) -> Any:
        threads.append(threading.get_ident())
        return read(raw)

    monkeypatch.setattr(reporting.decoding, "plain", plain)
    for seq in (1, 2, 3):
        assert send(site, report(seq=seq), packed=packed).status_code == 200
    stranger, *others = threads
    assert set(others) == {others[0]}
    assert others[0] != stranger


def test_what_nobody_expected_of_one_report_is_answered_to_that_one_alone(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = intake.intake.take_all

    def poisoned(session: Any, batch: Any, newest: Any, *, now: float) -> Any:
        if any(one.report.boot == "poison" for one in batch):
            raise ZeroDivisionError
        return taken(session, batch, newest, now=now)

    monkeypatch.setattr(intake.intake, "take_all", poisoned)
    found = _intake(site)
    entries = [_entry(site, "n1", "poison"), _entry(site, "n1", "b9")]
    outcomes = found._take_all(entries)
    assert isinstance(outcomes[0], ZeroDivisionError)
    assert isinstance(outcomes[1], intake.Taken)


def test_reports_that_waited_for_others_and_they_for_them_are_each_tried_once_more(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = intake.intake.take_changes

    def entangled(session: Any, batch: Any, newest: Any, *, now: float) -> Any:
        if len(batch) > 1:
            raise OperationalError("", {}, DeadlockDetected())
        return taken(session, batch, newest, now=now)

    monkeypatch.setattr(intake.intake, "take_changes", entangled)
    outcomes = _intake(site)._take_changes([_entry(site, "n1", boot) for boot in ("b8", "b9")])
    assert [type(one) for one in outcomes] == [intake.Taken] * 2


def test_what_becomes_of_others_harms_no_change_of_the_same_batch(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise Unavailable

    monkeypatch.setattr(intake.intake, "take_all", away)
    other, change = _entry(site, "n1", "b8"), _entry(site, "n1", "b9")
    change.changes = True
    outcomes = _intake(site)._take_urgent([other, change])
    assert [type(one) for one in outcomes] == [Unavailable, intake.Taken]


def test_a_batch_refuses_who_may_not_report_and_takes_the_others(site: Site) -> None:
    found = _intake(site)
    forged = _entry(site, "n1", "b8")
    forged.secret = "dure_nobody"
    refused, taken = found._take_all([forged, _entry(site, "n1", "b9")])
    assert isinstance(refused, TokenInvalid)
    assert isinstance(taken, intake.Taken)


def test_while_the_database_is_away_reports_are_asked_for_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise Unavailable

    monkeypatch.setattr(intake.intake, "take_all", away)
    assert code(send(site, report())) == (503, "unavailable")
    monkeypatch.undo()
    assert send(site, report()).status_code == 200


def _intake(site: Site) -> intake.Intake:
    parts = site.app.state.parts
    return intake.Intake(parts.db, site.clock, parts.metrics, parts.vouching)


def _entry(site: Site, node: str, boot: str) -> Any:
    """A report on its way, as the event loop would have it."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": f"/v1/nodes/{node}/reports",
        "query_string": b"",
        "headers": [],
        "path_params": {"node": node},
        "state": {},
    }
    body = decoding.of_wire(wire.Report.model_validate(report(boot=boot)))
    loop = asyncio.new_event_loop()
    try:
        return intake._Entry(node, body, intake.Request(scope), site.secrets[node], None, loop.create_future())
    finally:
        loop.close()
