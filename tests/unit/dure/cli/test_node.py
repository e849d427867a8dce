"""dure node."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from dure import wire
from tests.unit.dure.answers import NOW, Api, a_kept_event, a_node, an_issued_token, in_s, page, problem
from tests.unit.dure.conftest import Run

NODES = ("POST", "/v1/nodes")


def test_a_node_is_enrolled_and_its_secret_shown_once(api: Api, run: Run) -> None:
    api.on(*NODES, an_issued_token())
    assert "dure_new_secret" in run("node", "enroll", "gpu-01").stdout
    assert json.loads(api.seen[0].content) == {"name": "gpu-01"}


def test_its_token_goes_into_a_file_that_only_its_owner_reads(api: Api, run: Run, tmp_path: Path) -> None:
    api.on(*NODES, an_issued_token())
    path = tmp_path / "gpu-01.token"
    result = run("node", "enroll", "gpu-01", "--token-file", str(path))
    assert (result.exit_code, path.read_text()) == (0, "dure_new_secret\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    assert "dure_new_secret" not in result.output


def test_a_file_that_is_there_is_kept_and_nothing_is_enrolled(api: Api, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text("old")
    result = run("node", "enroll", "gpu-01", "--token-file", str(path))
    assert (result.exit_code, path.read_text()) == (2, "old")
    assert [request.method for request in api.seen] == ["GET"]
    assert "is there already" in result.stderr
    assert "--renew" not in result.stderr


def test_a_node_that_is_enrolled_already_is_said_to_be(api: Api, run: Run, tmp_path: Path) -> None:
    api.on("GET", "/v1/nodes/gpu-01", a_node())
    path = tmp_path / "t"
    path.write_text("old")
    result = run("node", "enroll", "gpu-01", "--token-file", str(path))
    assert (result.exit_code, path.read_text()) == (2, "old")
    assert "gpu-01 is already enrolled: --renew makes it another token" in result.stderr


def test_renewing_replaces_the_file(api: Api, run: Run, tmp_path: Path) -> None:
    api.on(*NODES, an_issued_token())
    path = tmp_path / "t"
    path.write_text("old")
    assert run("node", "enroll", "gpu-01", "--renew", "--token-file", str(path)).exit_code == 0
    assert (path.read_text(), api.seen[0].url.params["renew"]) == ("dure_new_secret\n", "true")


def test_the_token_in_use_is_never_overwritten(api: Api, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "admin"
    path.write_text("admin-token")
    result = run("--token-file", str(path), "node", "enroll", "gpu-01", "--renew", "--token-file", str(path))
    assert (result.exit_code, path.read_text(), api.seen) == (2, "admin-token", [])


def test_a_refused_enrolment_leaves_no_file(api: Api, run: Run, tmp_path: Path) -> None:
    api.on(*NODES, problem("already_exists", 409, "gpu-01 is enrolled; --renew makes a new token."))
    assert run("node", "enroll", "gpu-01", "--token-file", str(tmp_path / "t")).exit_code == 8
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["nowhere/t", "."])
def test_a_place_that_cannot_be_written_is_said_before_anything_is_made(
    api: Api, run: Run, tmp_path: Path, where: str
) -> None:
    result = run("node", "enroll", "gpu-01", "--renew", "--token-file", str(tmp_path / where))
    assert (result.exit_code, api.seen) == (2, [])
    assert result.stderr.startswith("error: --token-file: ")


JOIN = ("POST", "/v1/nodes/gpu-01/join-tokens")


@pytest.mark.parametrize(("words", "lasts_s"), [([], 3600), (["--ttl", "10m"], 600), (["--ttl", "30d"], 2_592_000)])
def test_a_join_token_is_made_for_as_long_as_is_said_and_shown_once(
    api: Api, run: Run, words: list[str], lasts_s: int
) -> None:
    api.on(*JOIN, an_issued_token())
    assert "dure_new_secret" in run("node", "join-token", "gpu-01", *words).stdout
    assert json.loads(api.seen[0].content) == {"lasts_s": lasts_s}


def test_a_join_token_goes_into_a_file_that_only_its_owner_reads_in_place_of_the_one_before(
    api: Api, run: Run, tmp_path: Path
) -> None:
    api.on(*JOIN, an_issued_token())
    path = tmp_path / "join"
    path.write_text("used")
    result = run("node", "join-token", "gpu-01", "--token-file", str(path))
    assert (result.exit_code, path.read_text()) == (0, "dure_new_secret\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "dure_new_secret" not in result.output


@pytest.mark.parametrize("ttl", ["59s", "31d", "soon"])
def test_a_join_token_of_no_sensible_length_is_not_asked_for(api: Api, run: Run, ttl: str) -> None:
    result = run("node", "join-token", "gpu-01", "--ttl", ttl)
    assert (result.exit_code, api.seen) == (2, [])
    assert result.stderr.startswith("error: --ttl: ")


def test_nodes_are_listed_and_shown(api: Api, run: Run) -> None:
    api.on("GET", "/v1/nodes", page(a_node())).on("GET", "/v1/nodes/gpu-01", a_node())
    assert "gpu-01" in run("node", "list").stdout
    assert "GPU-00000001" in run("node", "show", "gpu-01").stdout


@pytest.mark.parametrize(
    ("words", "want"),
    [
        pytest.param(["--rack", "r1"], {"rack": "r1"}, id="one"),
        pytest.param(["--rack", "r1", "--island", ""], {"rack": "r1", "island": ""}, id="one and another away"),
    ],
)
def test_labels_that_are_named_are_sent_and_no_others(
    api: Api, run: Run, words: list[str], want: dict[str, str]
) -> None:
    api.on("PATCH", "/v1/nodes/gpu-01/labels", a_node())
    assert run("node", "label", "gpu-01", *words).exit_code == 0
    assert [json.loads(request.content) for request in api.seen] == [want]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param([], "--rack: or --island: say what to change", id="nothing"),
        pytest.param(["--rack", "r 1"], "--rack: 'r 1' is none: at most 63 of", id="a rack with a blank"),
    ],
)
def test_a_label_that_cannot_be_names_its_option(api: Api, run: Run, words: list[str], says: str) -> None:
    result = run("node", "label", "gpu-01", *words)
    assert (result.exit_code, api.seen) == (2, [])
    assert says in result.stderr


def a_drain(**more: Any) -> wire.Drain:
    times = {
        "starts_at": in_s(3600),
        "ends_at": in_s(7200),
        "empty_from": in_s(3600),
    }
    return wire.Drain.model_validate({"id": "drn_1", "node": "gpu-01", "reason": "new driver", **times, **more})


def drained(*drains: wire.Drain) -> wire.Drained:
    return wire.Drained(drains=list(drains), moved=[], pulled=[], running=[])


@pytest.mark.parametrize(
    ("drain", "words", "says"),
    [
        pytest.param(a_drain(), [], "drains   gpu-01 Tue", id="one to come"),
        pytest.param(a_drain(starts_at=in_s(1)), [], "drained  gpu-01 Tue", id="one that has begun"),
        pytest.param(a_drain(), ["--dry-run"], "would drain  gpu-01 Tue", id="one that is only looked at"),
    ],
)
def test_a_drain_is_said_to_be_over_when_it_is(
    api: Api, run: Run, drain: wire.Drain, words: list[str], says: str
) -> None:
    api.on("POST", "/v1/nodes/gpu-01/drain", drained(drain))
    assert says in run("node", "drain", "gpu-01", "--for", "1h", "--at", "+1h", *words).stdout


@pytest.mark.parametrize("at", ["now", "-30s"])
def test_a_drain_at_now_begins_now(api: Api, run: Run, at: str) -> None:
    api.on("POST", "/v1/nodes/gpu-01/drain", drained(a_drain(starts_at=NOW)))
    result = run("node", "drain", "gpu-01", "--for", "1h", "--at", at)
    assert result.exit_code == 0
    assert json.loads(api.seen[0].content) == {"duration_s": 3600}
    assert ("--at -30s is not later than now: asking for a drain from now on" in result.stderr) == (at != "now")


def test_a_drain_in_the_past_names_the_option(api: Api, run: Run) -> None:
    result = run("node", "drain", "gpu-01", "--for", "1h", "--at", "-2h")
    assert (result.exit_code, api.seen) == (2, [])
    assert "error: --at: -2h is past; leave it out to drain from now on" in result.stderr


def test_a_drain_that_is_there_already_is_said_to_be(api: Api, run: Run) -> None:
    there = drained(a_drain()).model_copy(update={"already": True})
    api.on("POST", "/v1/nodes/gpu-01/drain", there)
    for words in ([], ["--dry-run"]):
        lines = run("node", "drain", "gpu-01", "--for", "30m", "--at", "+1h", *words).stdout.splitlines()
        assert lines[0] == "it is out of service then already: nothing was changed"
        assert lines[1].startswith("drains   gpu-01 Tue")


@pytest.mark.parametrize(
    ("drains", "says"),
    [
        pytest.param([{}, {"id": "drn_2"}], "new driver is over", id="two for one reason"),
        pytest.param([{}, {"reason": "a fan"}], "new driver and a fan are over", id="two reasons"),
        pytest.param([{"reason": None}], "drn_1 is over", id="one without a reason"),
    ],
)
def test_a_node_that_is_back_is_one_line_whatever_took_it_out(
    api: Api, run: Run, drains: list[dict[str, Any]], says: str
) -> None:
    api.on("POST", "/v1/nodes/gpu-01/resume", drained(*(a_drain(empty_from=None, **more) for more in drains)))
    lines = run("node", "resume", "gpu-01").stdout.splitlines()
    assert [line for line in lines if line.startswith("back")] == [f"back     gpu-01, from now on; {says}"]


def test_what_happened_on_a_node_is_a_line_each_with_its_numbers(api: Api, run: Run) -> None:
    api.on("GET", "/v1/nodes/gpu-01/events", page(a_kept_event(2), a_kept_event(1, kind="proof", gpu=None, detail={})))
    shown = run("node", "events", "gpu-01").stdout.splitlines()
    assert shown[1].split()[-4:] == ["xid", "GPU-00000000", "xid", "79"]
    assert shown[2].split()[-3:] == ["proof", "–", "–"]


def test_no_more_of_what_happened_is_shown_than_was_asked_for(api: Api, run: Run) -> None:
    api.on("GET", "/v1/nodes/gpu-01/events", page(a_kept_event(2), a_kept_event(1)))
    found = json.loads(run("node", "events", "gpu-01", "--limit", "1", "--json").stdout)
    assert [one["id"] for one in found["items"]] == [2]


def test_a_node_on_which_nothing_happened_says_so(api: Api, run: Run) -> None:
    api.on("GET", "/v1/nodes/gpu-01/events", page())
    assert "nothing happened" in run("node", "events", "gpu-01").stdout
