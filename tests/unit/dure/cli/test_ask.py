"""dure ask."""

import json
from typing import Any

import pytest

from dure import wire
from dure.cli.ask import Purpose
from tests.unit.dure.answers import Api, a_decision, a_lease, answer, in_s, problem
from tests.unit.dure.conftest import Run

LEASES = ("POST", "/v1/leases")


@pytest.mark.parametrize(
    ("words", "want"),
    [
        pytest.param([], {}, id="as soon as possible"),
        pytest.param(["--start", "tomorrow 09:00"], {"start": "2026-11-25T00:00:00Z"}, id="at a time in the zone"),
        pytest.param(
            ["--start", "+1h", "--start-by", "+2h"],
            {"start": "2026-11-24T01:48:44Z", "start_by": "2026-11-24T02:48:44Z"},
            id="in a window",
        ),
        pytest.param(["--no-queue"], {"queue": False}, id="not in the queue"),
        pytest.param(
            ["--name", "llm", "--purpose", "inference", "--company", "acme"],
            {"name": "llm", "purpose": "inference", "company": "acme"},
            id="with all its words",
        ),
    ],
)
def test_an_ask_is_sent_as_it_was_said(api: Api, run: Run, words: list[str], want: dict[str, Any]) -> None:
    api.on(*LEASES, answer(a_lease(), 201))
    assert run("ask", "h100-80gb", "2x8", "--for", "2h", *words).exit_code == 0
    assert json.loads(api.seen[0].content) == {
        "pool": "h100-80gb",
        "shape": {"nodes": 2, "gpus_per_node": 8},
        "duration_s": 7200,
        "tier": "reserved",
        "purpose": "training",
        "queue": True,
        **want,
    }


def test_a_queued_ask_says_so_and_exits_0(api: Api, run: Run) -> None:
    api.on(*LEASES, answer(a_lease("queued", decision=a_decision("waits_for_capacity", "queued")), 202))
    result = run("ask", "p", "8", "--for", "2h")
    assert result.exit_code == 0
    assert result.stdout.startswith("queued: no start is promised yet")


def test_a_refusal_prints_code_sentence_numbers_and_what_would_work(api: Api, run: Run) -> None:
    numbers: dict[str, int | str] = {"asked_gpus": 16, "earliest_start": "2026-11-24T09:00:00Z", "longest_s_now": 1800}
    detail = "No start fits 16 GPUs: start it at 2026-11-24T09:00:00Z."
    decision = a_decision("no_start_in_window", "refused", detail=detail, numbers=numbers)
    api.on(*LEASES, problem("no_start_in_window", 409, detail, decision=decision, lease="lea_1", numbers=numbers))
    result = run("ask", "p", "16", "--for", "2h", "--no-queue")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.splitlines() == [
        f"refused (no_start_in_window): {detail}",
        "  asked GPUs      16",
        "  earliest start  Tue 2026-11-24 18:00 KST (09:00 UTC)",
        "  longest now     30m",
        "  kept as lea_1: dure lease show lea_1",
    ]


@pytest.mark.parametrize(("outcome", "code"), [("scheduled", 0), ("queued", 0), ("refused", 3)])
def test_a_dry_run_exits_as_the_ask_would(api: Api, run: Run, outcome: str, code: int) -> None:
    quote = wire.Quote(
        decision=a_decision("x", outcome), promised_start=in_s(0), starts_at=in_s(0), ends_at=in_s(1), placement=[]
    )
    api.on(*LEASES, quote)
    result = run("ask", "p", "8", "--for", "2h", "--dry-run")
    assert (result.exit_code, result.stderr) == (code, "")
    assert f"dry run: would be {outcome} (x)" in result.stdout
    assert api.seen[0].url.params["dry_run"] == "true"


def test_a_key_goes_with_the_ask(api: Api, run: Run) -> None:
    api.on(*LEASES, a_lease())
    run("ask", "p", "8", "--for", "2h", "--key", "night-7")
    assert api.seen[0].headers["idempotency-key"] == "night-7"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["p", "2x", "--for", "2h"], "error: SHAPE: '2x' is no shape"),
        (["p", "0", "--for", "2h"], "error: SHAPE: '0' is no shape: each number is from 1"),
        (["p", "999999999x8", "--for", "2h"], "error: SHAPE: '999999999x8' is no shape"),
        (["p", "8", "--for", "2"], "error: --for: '2' is no duration: 2 of what?"),
        (["p", "8", "--for", "2h", "--start", "18:00"], "error: --start: '18:00' does not say the day"),
        (["p", "8", "--for", "2h", "--start-by", "soon"], "error: --start-by: 'soon' is no time"),
        (
            ["p", "8", "--for", "2h", "--zone", "Europe/Berlin", "--start", "2027-03-28 02:30"],
            "does not exist in Europe/Berlin",
        ),
        (["p", "8", "--for", "2h", "--purpose", "fun"], "'fun' is not one of"),
        (["p", "-1", "--for", "2h"], "No such option: -1"),
        (["p", "8"], "Missing option '--for'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_read_is_not_sent(api: Api, run: Run, words: list[str], sentence: str) -> None:
    result = run("ask", *words)
    assert (result.exit_code, result.stdout, api.seen) == (2, "", [])
    assert sentence in result.stderr


@pytest.mark.parametrize(
    ("words", "field"), [(["p", "8", "--for", "0s"], "duration_s"), (["P!", "8", "--for", "1h"], "pool")]
)
def test_what_no_server_takes_names_its_field(api: Api, run: Run, words: list[str], field: str) -> None:
    result = run("ask", *words)
    assert (result.exit_code, api.seen) == (7, [])
    assert f"  {field}: " in result.stderr


def test_a_time_that_cannot_be_read_names_its_option_in_json(run: Run) -> None:
    result = run("--json", "ask", "p", "8", "--for", "2h", "--start", "18:00")
    found = wire.Problem.model_validate_json(result.stdout)
    assert (result.exit_code, [error.field for error in found.errors]) == (2, ["--start"])


def test_the_purposes_are_those_of_the_wire(api: Api) -> None:
    for purpose in Purpose:
        wire.Ask(pool="p", shape=wire.Shape(gpus=1), duration_s=1, purpose=purpose.value)
