from pathlib import Path
from typing import Any

import pytest

from agents.identity.credential import Credential
from agents.reporting import wire
from agents.reporting.connection import Connection
from agents.reporting.uplink import NotTaken, Taken, Uplink
from agents.reporting.wire import Parcel
from dure.wire import Report, ReportAnswer
from tests.unit.agents.allocator import Allocator, Reply, a_problem
from tests.unit.agents.builders import Hand, an_allocation


def _report(seq: int = 7, **changed: Any) -> Report:
    about: dict[str, Any] = {"boot": "boot_1", "seq": seq, "sent_at": 1.0, "interval_s": 10, "agent_version": "0.1.0"}
    return Report(**{**about, "gpus": [], **changed})


def _parcel(seq: int = 7, **changed: Any) -> Parcel:
    return wire.parcel(_report(seq, **changed).model_dump(mode="json"))


MANY = [f"all_{index}" for index in range(200)]
"""So many that the report is worth packing."""


def test_a_report_goes_compressed_with_the_token_to_the_nodes_own_address(uplink: Uplink, allocator: Allocator) -> None:
    allocator.allocations = [an_allocation()]
    sent = uplink.send(_parcel(knew_ended=MANY))
    path, headers = allocator.requests[0]

    assert isinstance(sent, Taken)
    assert sent.answer.allocations == (an_allocation(),)
    assert path == "/v1/nodes/node-1/reports"
    assert (headers["Authorization"], headers["Content-Encoding"]) == ("Bearer first", "gzip")
    assert allocator.sent == [_report(knew_ended=MANY)]


def test_a_small_report_is_not_worth_compressing(uplink: Uplink, allocator: Allocator) -> None:
    uplink.send(_parcel())

    assert "Content-Encoding" not in allocator.requests[0][1]
    assert allocator.sent == [_report()]


def test_the_servers_clock_was_read_in_the_middle_of_the_exchange(
    connection: Connection, token: Path, allocator: Allocator
) -> None:
    times = iter([100.0, 103.0])
    credential = Credential(token)
    uplink = Uplink(connection, node="node-1", credential=credential, monotonic=lambda: next(times), now=lambda: 0.0)
    sent = uplink.send(_parcel())

    assert isinstance(sent, Taken)
    assert (sent.at, sent.round_trip_s) == (101.5, 3.0)


def test_everything_that_an_answer_says_is_learnt(uplink: Uplink, allocator: Allocator) -> None:
    said: dict[str, Any] = {
        "server_time": 1.8e9,
        "seq": 7,
        "allocations": [],
        "midnights": ["2026-11-29T15:00:00Z", "2026-11-30T15:00:00+00:00"],
        "whole": True,
        "events_taken": 41,
        "earlier_taken": ["boot_0"],
        "replay": 12,
        "pools": {"GPU-a": "h100"},
        "report_in_s": 30.5,
    }
    allocator.replies = [Reply(200, ReportAnswer.model_validate(said).model_dump(mode="json"))]
    sent = uplink.send(_parcel())

    assert isinstance(sent, Taken)
    assert sent.answer == wire.Answer(
        server_time=1.8e9,
        seq=7,
        midnights=(1795964400, 1796050800),
        whole=True,
        events_taken=41,
        earlier_taken=("boot_0",),
        replay=12,
        pools={"GPU-a": "h100"},
        report_in_s=30.5,
    )


def test_an_allocator_that_does_not_know_the_version_is_told_from_other_refusals(
    uplink: Uplink, allocator: Allocator
) -> None:
    allocator.replies = [
        a_problem(422, "invalid_request", "version", "changed"),
        a_problem(422, "invalid_request", "gpus.0.uuid"),
    ]
    unversed, wrong = uplink.send(_parcel()), uplink.send(_parcel(8))

    assert isinstance(unversed, NotTaken)
    assert isinstance(wrong, NotTaken)
    assert (unversed.unversed, wrong.unversed) == (True, False)


@pytest.mark.parametrize(
    ("reply", "outcome", "code", "said"),
    [
        pytest.param(a_problem(401, "token_revoked"), "refused", "token_revoked", "dure node enroll node-1", id="401"),
        pytest.param(a_problem(403, "wrong_node"), "refused", "wrong_node", "the token of node node-1", id="403"),
        pytest.param(a_problem(404, "unknown_node"), "refused", "unknown_node", "enrol this node", id="404"),
        pytest.param(a_problem(409, "gpu_claimed"), "refused", "gpu_claimed", "no second agent", id="409"),
        pytest.param(a_problem(413, "too_large"), "refused", "too_large", "of this size", id="413"),
        pytest.param(a_problem(422, "invalid_request"), "refused", "invalid_request", "same release", id="422"),
        pytest.param(Reply(404, b"<html>nginx</html>"), "refused", "404", "404 Not Found", id="another server's 404"),
        pytest.param(Reply(302, b"", {"Location": "/login"}), "refused", "302", "DURE_AGENT_SERVER", id="a login page"),
        pytest.param(a_problem(409, "stale_report"), "busy", "stale_report", "stale_report", id="overtaken"),
        pytest.param(a_problem(503, "unavailable"), "busy", "unavailable", "it is unavailable", id="503"),
        pytest.param(Reply(429), "busy", "429", "429", id="429"),
        pytest.param(Reply(502, b"<html>"), "busy", "502", "502 Bad Gateway", id="a proxy without its server"),
    ],
)
def test_what_comes_of_other_statuses(
    uplink: Uplink, allocator: Allocator, reply: Reply, outcome: str, code: str, said: str
) -> None:
    allocator.replies = [reply]
    sent = uplink.send(_parcel())

    assert isinstance(sent, NotTaken)
    assert (sent.outcome, sent.code) == (outcome, code)
    assert said in sent.why


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff\x00\xfe", id="bytes"),
        pytest.param(b"<html>hello</html>", id="a page"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'{"server_time": 1.8e9, "seq": 7}', id="a field is missing"),
        pytest.param(b'{"server_time": NaN, "seq": 7, "allocations": []}', id="a time that is none"),
        pytest.param(b'{"server_time": 1e300, "seq": 7, "allocations": []}', id="a time beyond all clocks"),
        pytest.param(b'{"server_time": -5, "seq": 7, "allocations": []}', id="a time before all clocks"),
        pytest.param(b'{"server_time": 1.8e9, "seq": 6, "allocations": []}', id="the answer to another report"),
        pytest.param(b'{"server_time": 1.8e9, "seq": 7, "allocations": [{}]}', id="an allocation that is none"),
        pytest.param(b'{"server_time": "1.8e9", "seq": 7, "allocations": []}', id="a time that is a text"),
        pytest.param(b'{"server_time": true, "seq": 7, "allocations": []}', id="a time that is a truth"),
        pytest.param(b'{"server_time": 1.8e9, "seq": 7, "allocations": [], "midnights": ["x"]}', id="no midnight"),
        pytest.param(b'{"server_time": 1.8e9, "seq": 7, "allocations": [], "pools": ["x"]}', id="no pools"),
        pytest.param(b'{"server_time": 1.8e9, "seq": 7, "allocations": [], "whole": 1}', id="whole is no truth"),
        pytest.param(b'{"server_time": 1.8e9, "seq": 7, "allocations": [], "replay": 1.5}', id="no number of items"),
        pytest.param(
            b'{"server_time": 1.8e9, "seq": 7, "allocations": [], "events_taken": 1' + b"0" * 30 + b"}", id="no id"
        ),
        pytest.param(b"[" * 100_000, id="lists without end"),
        pytest.param(b" " * (1 << 20) + b"{}", id="more than there can be"),
    ],
)
def test_an_answer_that_is_none_is_garbage(uplink: Uplink, allocator: Allocator, body: bytes) -> None:
    allocator.replies = [Reply(200, body)]
    sent = uplink.send(_parcel())

    assert isinstance(sent, NotTaken)
    assert sent.outcome == "garbage"


def test_fields_of_a_newer_allocator_are_passed_over(uplink: Uplink, allocator: Allocator) -> None:
    allocator.allocations = [an_allocation()]
    plain = allocator.answer(_report()).body
    item = {**plain["allocations"][0], "colour": "blue"}
    allocator.replies = [allocator.answer(_report(), allocations=[item], mood="good")]
    sent = uplink.send(_parcel())

    assert isinstance(sent, Taken)
    assert sent.answer.allocations == (an_allocation(),)


def test_retry_after_is_passed_on(uplink: Uplink, allocator: Allocator) -> None:
    allocator.replies = [a_problem(503, "unavailable", **{"Retry-After": "17"})]
    sent = uplink.send(_parcel())

    assert isinstance(sent, NotTaken)
    assert sent.retry_after_s == 17


def test_nobody_there_is_unreachable(token: Path, clock: Hand) -> None:
    nowhere = Connection("http://127.0.0.1:9")
    uplink = Uplink(nowhere, node="node-1", credential=Credential(token), monotonic=clock.monotonic, now=clock.wall)
    sent = uplink.send(_parcel())

    assert isinstance(sent, NotTaken)
    assert sent.outcome == "unreachable"


def test_a_401_reads_the_token_file_again(uplink: Uplink, allocator: Allocator, token: Path) -> None:
    allocator.replies = [a_problem(401, "token_expired"), a_problem(401, "token_expired")]
    same = uplink.send(_parcel())
    token.write_text("second")
    other = uplink.send(_parcel(8))
    uplink.send(_parcel(9))

    assert isinstance(same, NotTaken)
    assert isinstance(other, NotTaken)
    assert (same.renewed, other.renewed) == (False, True)
    assert [headers["Authorization"] for _, headers in allocator.requests] == [
        "Bearer first",
        "Bearer first",
        "Bearer second",
    ]


def test_no_line_that_is_said_holds_the_token(uplink: Uplink, allocator: Allocator, token: Path) -> None:
    token.write_text("first")
    allocator.replies = [a_problem(401, "token_invalid")]
    sent = uplink.send(_parcel())

    assert isinstance(sent, NotTaken)
    assert "first" not in sent.why.replace(str(token), "")
