"""dure ask."""

import json
from typing import Any

import pytest

from dure import wire
from dure.cli.ask import Purpose
from tests.unit.dure.answers import Api, a_decision, a_lease, a_pool, answer, in_s, problem
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
        pytest.param(["--spot", "--notice", "5m"], {"tier": "spot", "notice_s": 300}, id="on spot"),
        pytest.param(["--or-spot"], {"or_spot": True}, id="on spot if it must"),
        pytest.param(
            ["--all-at-once", "--not-extendable"], {"all_at_once": True, "extendable": False}, id="for pods together"
        ),
        pytest.param(["--notice", "0s"], {"notice_s": 0}, id="ready to start at any time"),
        pytest.param(
            ["--name", "llm", "--purpose", "inference", "--renew", "--company", "acme"],
            {"name": "llm", "purpose": "inference", "company": "acme", "renew": True},
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
        "or_spot": False,
        "renew": False,
        "all_at_once": False,
        "extendable": True,
        "queue": True,
        **want,
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(["--spot", "--notice", "1h"], "--notice: with --spot it is from 0s to 30m", id="a long notice"),
        pytest.param(["--spot", "--start", "+1h"], "--start: spot starts once GPUs are idle", id="ahead"),
        pytest.param(["--or-spot", "--start", "+1h"], "--or-spot: it is for what is wanted as soon", id="or ahead"),
        pytest.param(["--spot", "--or-spot"], "--or-spot: spot starts once", id="both"),
        pytest.param(
            ["--renew", "--purpose", "inference", "--not-extendable"],
            "--not-extendable: what renews itself is extended",
            id="for ever and not",
        ),
    ],
)
def test_what_spot_cannot_be_is_said_of_its_option(api: Api, run: Run, words: list[str], says: str) -> None:
    result = run("ask", "p", "8", "--for", "2h", *words)
    assert (result.exit_code, api.seen) == (2, [])
    assert says in result.stderr


@pytest.mark.parametrize(
    ("name", "cluster", "is_said"),
    [
        ("run 7", "main", True),
        ("x" * 64, "main", True),
        ("-run", "main", True),
        ("run 7", None, False),
        ("x" * 63, "main", False),
        ("Run_7.b", "main", False),
        (None, "main", False),
    ],
)
def test_a_name_that_no_pods_label_can_carry_is_said_where_a_cluster_enforces_the_lease(
    api: Api, run: Run, name: str | None, cluster: str | None, is_said: bool
) -> None:
    lease = a_lease(name=name)
    api.on(*LEASES, answer(lease, 201)).on("GET", f"/v1/pools/{lease.pool}", a_pool(cluster=cluster))
    result = run("ask", lease.pool, "8", "--for", "2h")
    assert result.exit_code == 0
    assert (f"label them dure.dev/lease: {lease.id}" in " ".join(result.stdout.split())) is is_said


def test_that_a_pool_cannot_be_seen_takes_nothing_from_what_was_granted(api: Api, run: Run) -> None:
    api.on(*LEASES, answer(a_lease(name="run 7"), 201))
    result = run("ask", "p", "8", "--for", "2h")
    assert (result.exit_code, result.stderr) == (0, "")


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
        (["p", "8", "--for", "2h", "--purpose", "fun"], "'--purpose': 'fun' is not one of"),
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
    ("words", "sentence"),
    [
        (["p", "8", "--for", "0s"], "--for: 0s is not from 1s to 60d; for example 2h30m"),
        (["p", "8", "--for", "500d"], "--for: 500d is not from 1s to 60d; for example 2h30m"),
        (["P!", "8", "--for", "1h"], "POOL: 'P!' is none: 1 to 63 of a-z, 0-9, . and -"),
        (["p", "8", "--for", "1h", "--name", "x" * 101], f"--name: '{'x' * 40}'... (101 characters) is none: 1 to 100"),
        (["p", "8", "--for", "1h", "--company", "Globex Inc"], "--company: 'Globex Inc' is none: 1 to 40 of a-z"),
    ],
    ids=lambda value: "" if isinstance(value, str) else value[-1][:12],
)
def test_what_no_server_takes_is_told_as_it_was_typed(api: Api, run: Run, words: list[str], sentence: str) -> None:
    result = run("ask", *words)
    assert (result.exit_code, result.stdout, api.seen) == (2, "", [])
    assert result.stderr.startswith(f"error: {sentence}")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("start", ["now", "+0s", "2026-11-24 09:48:44", "-1m"])
@pytest.mark.parametrize("words", [[], ["--dry-run"]])
def test_a_start_that_is_not_later_than_now_is_as_soon_as_possible(
    api: Api, run: Run, start: str, words: list[str]
) -> None:
    api.on(*LEASES, problem("internal", 500))
    result = run("ask", "p", "8", "--for", "1h", "--start", start, "--start-by", "+2h", *words)
    sent = json.loads(api.seen[0].content)
    assert (sent.get("start"), sent["start_by"]) == (None, "2026-11-24T02:48:44Z")
    assert ("asking for a start as soon as possible" in result.stderr) == (start != "now")


def test_an_admin_is_told_to_say_the_company(api: Api, run: Run) -> None:
    field = wire.FieldError(field="company", message='an admin says for whom it asks, for example "company": "acme"')
    api.on(*LEASES, problem("invalid_request", 422, "company: an admin says for whom it asks", errors=[field]))
    assert run("ask", "p", "8", "--for", "1h").stderr == (
        "error (invalid_request): --company: an admin says for whom it asks, for example --company acme\n"
    )


def test_a_time_that_cannot_be_read_names_its_option_in_json(run: Run) -> None:
    result = run("--json", "ask", "p", "8", "--for", "2h", "--start", "18:00")
    found = wire.Problem.model_validate_json(result.stdout)
    assert (result.exit_code, [error.field for error in found.errors]) == (2, ["--start"])


def test_the_purposes_are_those_of_the_wire(api: Api) -> None:
    for purpose in Purpose:
        wire.Ask(pool="p", shape=wire.Shape(gpus=1), duration_s=1, purpose=purpose.value)
