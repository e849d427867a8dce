"""dure policy: a file that is shown, checked, compared and applied, and its history."""

import json
from pathlib import Path
from typing import Any

import pytest

from dure import wire
from dure.policy_keys import POOL, PROGRAMME
from tests.unit.dure.answers import NOW, SERVER, Api, a_policy, an_applied_policy, page, problem
from tests.unit.dure.conftest import Run

SHOW = ("GET", "/v1/policy")
PUT = ("PUT", "/v1/policy")
HISTORY = ("GET", "/v1/policy/history")
FILE = "version: 7\npools:\n  h100:\n    slack: 12.5%\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "policy.yaml"
    found.write_text(FILE)
    return found


def test_what_is_shown_is_a_file_that_says_the_same(api: Api, run: Run, tmp_path: Path) -> None:
    api.on(*SHOW, a_policy())
    shown = run("policy", "show").stdout
    assert shown.endswith("    empty_memory: 1GiB\n")
    (tmp_path / "policy.yaml").write_text(shown)
    assert "version 7, which is live, says the same" in run("policy", "check", str(tmp_path / "policy.yaml")).stdout


def test_one_pool_of_a_version_is_shown_alone(api: Api, run: Run) -> None:
    api.on(*SHOW, a_policy(3, h100=wire.PoolPolicy(), a100=wire.PoolPolicy()))
    shown = run("policy", "show", "--version", "3", "--pool", "a100").stdout
    assert ("a100:" in shown, "h100:" in shown, "programme:" in shown) == (True, False, False)
    assert api.seen[0].url.params["version"] == "3"
    pools = json.loads(run("policy", "show", "--pool", "a100", "--json").stdout)["pools"]
    assert list(pools) == ["a100"]


def test_a_pool_that_a_version_does_not_have_is_told(api: Api, run: Run) -> None:
    api.on(*SHOW, a_policy())
    done = run("policy", "show", "--pool", "h200")
    assert (done.exit_code, "has no pool h200; it has h100" in done.stderr) == (4, True)


def test_a_file_is_applied_as_a_whole_policy_with_why(api: Api, run: Run, file: Path) -> None:
    api.on(*SHOW, a_policy()).on(*PUT, an_applied_policy())
    done = run("policy", "apply", str(file), "--why", "for June")
    lines = done.stdout.splitlines()
    assert lines[0] == "version 8 is live"
    assert lines[2].split() == ["pools.h100.slack", "5%", "12.5%"]
    assert lines[-2].split() == ["touches", "no", "lease"]
    assert lines[-1].split(maxsplit=1) == ["next", "in the file, say version: 8"]
    sent = api.seen[1]
    assert sent.url.params["reason"] == "for June"
    body = wire.PolicyPut.model_validate_json(sent.content)
    assert (body.version, body.pools["h100"], body.programme.zone) == (
        7,
        wire.PoolPolicy(slack_ppm=125_000),
        "Asia/Seoul",
    )


def test_a_dry_run_says_what_it_would_be_and_needs_no_why(api: Api, run: Run, file: Path) -> None:
    api.on(*SHOW, a_policy()).on(*PUT, an_applied_policy())
    assert run("policy", "apply", str(file), "--dry-run").stdout.startswith("dry run: it would be version 8\n")
    assert api.seen[1].url.params["dry_run"] == "true"


@pytest.mark.parametrize("said", [[], ["--why", ""], ["--why", "   "]])
def test_nothing_is_sent_without_why(api: Api, run: Run, file: Path, said: list[str]) -> None:
    done = run("policy", "apply", str(file), *said)
    assert (done.exit_code, api.seen) == (2, [])
    assert done.stderr.startswith("error: --why: say why: it stays in the history")


def test_what_is_live_already_is_said(api: Api, run: Run, file: Path) -> None:
    api.on(*SHOW, a_policy()).on(*PUT, an_applied_policy(7, already=True, changes=[]))
    done = run("policy", "apply", str(file), "--why", "again")
    assert done.stdout == "version 7 says all of that already: nothing was changed\n"


def test_every_mistake_in_a_file_is_told_by_its_line_and_nothing_is_sent(api: Api, run: Run, file: Path) -> None:
    file.write_text("version: 7\npools:\n  h100:\n    slack: much\n    gap: 0s\n")
    done = run("policy", "apply", str(file), "--why", "for June")
    assert (done.exit_code, api.seen) == (2, [])
    assert done.stderr.splitlines() == [
        f"error: {file}:4: pools.h100.slack: 'much' is not right; from 0% to 200%, for example 5%",
        f"error: {file}:5: pools.h100.gap: '0s' is not right; from 1s to 1d, for example 30s",
    ]
    told = json.loads(run("policy", "check", str(file), "--json").stdout)
    assert [one["field"] for one in told["errors"]] == [f"{file}:4", f"{file}:5"]


@pytest.mark.parametrize("words", [("check",), ("diff",), ("apply", "--dry-run")])
def test_a_pool_that_is_not_there_is_told_by_its_line(api: Api, run: Run, file: Path, words: tuple[str, ...]) -> None:
    file.write_text("version: 7\npools:\n  h200: {}\n")
    api.on(*SHOW, a_policy())
    done = run("policy", *words, str(file))
    assert done.exit_code == 2
    assert done.stderr.startswith(f"error: {file}:3: pools.h200: there is no such pool; there are h100")


@pytest.mark.parametrize("name", ["nope.yaml", "."])
def test_a_file_that_cannot_be_read_is_told(run: Run, tmp_path: Path, name: str) -> None:
    done = run("policy", "check", str(tmp_path / name))
    assert done.exit_code == 2
    assert "cannot be read" in done.stderr


def test_a_file_is_checked_without_a_server(run: Run, environ: dict[str, str], file: Path) -> None:
    del environ["DURE_SERVER"], environ["DURE_TOKEN"]
    done = run("policy", "check", str(file))
    assert (done.exit_code, "as far as the file alone says" in done.stdout) == (0, True)


def test_a_file_is_checked_alone_where_that_is_said(api: Api, run: Run, file: Path) -> None:
    assert run("policy", "check", str(file), "--offline").exit_code == 0
    assert api.seen == []


def test_a_file_from_another_version_is_told_by_check_and_compared_by_diff(api: Api, run: Run, file: Path) -> None:
    api.on(*SHOW, a_policy(9))
    done = run("policy", "check", str(file))
    assert (done.exit_code, "and version 9 is live" in done.stderr) == (8, True)
    assert run("policy", "diff", str(file)).stdout.splitlines()[1].split() == ["pools.h100.slack", "5%", "12.5%"]


def test_two_versions_are_compared(api: Api, run: Run) -> None:
    changed = wire.PoolPolicy(seniority_s=3600, reserve_ppm=20_000, reserve_over_s=60, empty_memory_bytes=0)
    api.on(*SHOW, a_policy(9, h100=changed), a_policy(8))
    found = [line.split() for line in run("policy", "diff").stdout.splitlines()[1:]]
    assert found == [
        ["pools.h100.empty_memory", "1GiB", "0MiB"],
        ["pools.h100.reserve", "none", "2%:1m"],
        ["pools.h100.seniority", "none", "1h"],
    ]
    assert [request.url.params.get("version") for request in api.seen] == [None, "8"]


@pytest.mark.parametrize(
    ("was", "now", "says"),
    [
        pytest.param({}, {"walk_in_ppm": 200_000}, ["walk_in", "none", "20%"], id="a part or none"),
        pytest.param({}, {"spot_least_s": None}, ["spot", "10m", "none"], id="what is taken away"),
        pytest.param({}, {"contended_ppm": 800_000}, ["contended_over", "90%", "80%"], id="a key of another name"),
        pytest.param(
            {"reserve_ppm": 20_000, "reserve_over_s": 60},
            {"reserve_ppm": 30_000, "reserve_over_s": 60},
            ["reserve", "2%", "3%"],
            id="half of a key",
        ),
        pytest.param(
            {"reserve_ppm": 20_000, "reserve_over_s": 60},
            {"reserve_ppm": 20_000, "reserve_over_s": 3600},
            ["reserve", "over", "1m", "over", "1h"],
            id="the other half",
        ),
    ],
)
def test_what_changed_is_said_by_the_keys_of_the_file(
    api: Api, run: Run, was: dict[str, Any], now: dict[str, Any], says: list[str]
) -> None:
    api.on(*SHOW, a_policy(9, h100=wire.PoolPolicy(**now)), a_policy(8, h100=wire.PoolPolicy(**was)))
    [line] = run("policy", "diff").stdout.splitlines()[1:]
    assert line.split() == [f"pools.h100.{says[0]}", *says[1:]]


def test_every_field_of_a_policy_is_said_by_one_key() -> None:
    for kind, keys in ((wire.PoolPolicy, POOL), (wire.ProgrammePolicy, PROGRAMME)):
        assert sorted(field for key in keys for field in key.fields) == sorted(kind.model_fields)


def test_a_file_and_versions_are_not_compared_at_once(run: Run, file: Path) -> None:
    done = run("policy", "diff", str(file), "--from", "3")
    assert (done.exit_code, "leave --from and --to out" in done.stderr) == (2, True)


def test_the_history_says_who_when_why_and_what(api: Api, run: Run) -> None:
    [change] = an_applied_policy().changes
    changes = [change.model_copy(update={"where": f"pools.{pool}.slack_ppm"}) for pool in ("h100", "a", "b", "c", "d")]
    newest = wire.PolicyVersion(version=8, at=NOW, actor="admin:tok_1", reason="for June", changes=changes)
    api.on(*HISTORY, page(newest))
    head, line = run("policy", "history").stdout.splitlines()[:2]
    assert head.split() == ["VERSION", "AT", "WHO", "WHY", "CHANGED"]
    for word in ("8", "admin:tok_1", "for June", "pools.h100.slack 12.5% (was 5%)", "2 more"):
        assert word in line


def test_a_policy_that_moved_meanwhile_is_a_conflict(api: Api, run: Run, file: Path) -> None:
    api.on(*SHOW, a_policy()).on(*PUT, problem("policy_moved", 409, "version 8 is live"))
    done = run("policy", "apply", str(file), "--why", "for June")
    assert (done.exit_code, "policy_moved" in done.stderr) == (8, True)
    assert str(api.seen[1].url).startswith(SERVER)
