"""What every command shares: its context, before or after its name, and the API's own JSON."""

import json
from pathlib import Path

import pytest
from pydantic import BaseModel

from dure import wire
from tests.unit.dure import answers
from tests.unit.dure.answers import Api, answer, page, problem
from tests.unit.dure.conftest import Run

PREVIEW = wire.EndPreview(lease="l", state=wire.LeaseState.ACTIVE, stops_at=None, refund_gpu_seconds=0)
QUOTE = wire.Quote(decision=answers.a_decision(), promised_start=None, starts_at=None, ends_at=None, placement=[])

COMMANDS = [
    ("company add acme --title Acme", "POST", "/v1/companies", answers.a_company()),
    ("company list", "GET", "/v1/companies", page(answers.a_company())),
    ("company show acme", "GET", "/v1/companies/acme", answers.a_company()),
    ("quota set acme p --gpus 16", "PATCH", "/v1/companies/acme/quotas/p", answers.a_quota()),
    ("quota remove acme p", "DELETE", "/v1/companies/acme/quotas/p", answers.a_quota()),
    ("quota default p --remove", "DELETE", "/v1/quotas/p", wire.QuotaOf(pool="p", gpus=4)),
    ("quota show acme", "GET", "/v1/companies/acme/quotas", page(answers.a_quota())),
    ("token issue --company acme", "POST", "/v1/tokens", answers.an_issued_token()),
    ("token list", "GET", "/v1/tokens", page(answers.a_token())),
    ("token revoke tok_1", "DELETE", "/v1/tokens/tok_1", answers.a_token()),
    ("pool add p --product P --why new", "POST", "/v1/pools", answers.a_pool()),
    ("pool list", "GET", "/v1/pools", page(answers.a_pool())),
    ("pool show p", "GET", "/v1/pools/p", answers.a_pool()),
    ("node enroll n", "POST", "/v1/nodes", answers.an_issued_token()),
    ("node list", "GET", "/v1/nodes", page(answers.a_node())),
    ("node show n", "GET", "/v1/nodes/n", answers.a_node()),
    ("ask p 8 --for 1h", "POST", "/v1/leases", answers.a_lease()),
    ("ask p 8 --for 1h --dry-run", "POST", "/v1/leases", QUOTE),
    ("lease list", "GET", "/v1/leases", page(answers.a_lease())),
    ("lease show lea_1", "GET", "/v1/leases/lea_1", answers.a_lease()),
    ("lease release lea_1", "POST", "/v1/leases/lea_1/release", answers.a_lease("ended")),
    ("lease release lea_1 --dry-run", "POST", "/v1/leases/lea_1/release", PREVIEW),
    ("lease cancel lea_1", "POST", "/v1/leases/lea_1/cancel", answers.a_lease("cancelled")),
    ("lease cancel lea_1 --dry-run", "POST", "/v1/leases/lea_1/cancel", PREVIEW),
    ("lease events lea_1", "GET", "/v1/leases/lea_1/events", page(answers.an_event())),
    ("lease watch lea_1", "GET", "/v1/leases/lea_1", answers.a_lease("ended")),
    ("calendar p", "GET", "/v1/calendar", answers.a_calendar()),
    ("usage", "GET", "/v1/usage", answers.a_usage()),
    ("report", "GET", "/v1/reports", answers.a_report("company", "pool")),
]
EACH = pytest.mark.parametrize(("words", "method", "path", "found"), COMMANDS, ids=[command[0] for command in COMMANDS])


@EACH
def test_json_is_the_apis_own(api: Api, run: Run, words: str, method: str, path: str, found: BaseModel) -> None:
    api.on(method, path, found)
    result = run(*words.split(), "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == json.loads(found.model_dump_json())
    assert result.stderr == ""


@EACH
def test_people_get_text(api: Api, run: Run, words: str, method: str, path: str, found: BaseModel) -> None:
    api.on(method, path, found).on("GET", "/v1/companies/acme/quotas", page(answers.a_quota()))
    result = run(*words.split())
    assert result.exit_code == 0
    assert result.stdout.strip()
    assert "{" not in result.stdout


@EACH
def test_an_error_is_a_sentence_on_stderr(
    api: Api, run: Run, words: str, method: str, path: str, found: BaseModel
) -> None:
    api.on(method, path, problem("forbidden", 403, "A company may not do that."))
    result = run(*words.split())
    assert (result.exit_code, result.stdout) == (5, "")
    assert result.stderr.startswith("error (forbidden): A company may not do that.")


@EACH
def test_an_error_in_json_is_the_problem_on_stdout(
    api: Api, run: Run, words: str, method: str, path: str, found: BaseModel
) -> None:
    api.on(method, path, problem("forbidden", 403, "No.", request_id="req_9"))
    result = run("--json", *words.split())
    assert (result.exit_code, result.stderr) == (5, "")
    said = wire.Problem.model_validate_json(result.stdout)
    assert (said.code, said.status, said.detail, said.request_id) == ("forbidden", 403, "No.", "req_9")


def test_the_context_goes_before_or_after_the_command(api: Api, run: Run, environ: dict[str, str]) -> None:
    del environ["DURE_SERVER"], environ["DURE_TOKEN"]
    api.on("GET", "/v1/pools", page(answers.a_pool()))
    assert run("--server", "http://a:1", "--token", "x", "pool", "list").exit_code == 0
    assert run("pool", "list", "--server", "http://b:1", "--token", "y").exit_code == 0
    assert run("--server", "http://a:1", "--token", "x", "pool", "list", "--token", "z").exit_code == 0
    seen = [(str(request.url.copy_with(query=None)), request.headers["authorization"]) for request in api.seen]
    assert seen == [
        ("http://a:1/v1/pools", "Bearer x"),
        ("http://b:1/v1/pools", "Bearer y"),
        ("http://a:1/v1/pools", "Bearer z"),
    ]


def test_the_zone_of_a_command_wins(api: Api, run: Run) -> None:
    api.on("GET", "/v1/leases/lea_1", answers.a_lease())
    assert "CET" in run("lease", "show", "lea_1", "--zone", "Europe/Berlin").stdout
    assert "KST" in run("lease", "show", "lea_1").stdout


def test_a_token_is_read_from_a_file(api: Api, run: Run, tmp_path: Path) -> None:
    (tmp_path / "t").write_text("from-file\n")
    api.on("GET", "/v1/pools", page())
    run("--token-file", str(tmp_path / "t"), "pool", "list")
    assert api.seen[0].headers["authorization"] == "Bearer from-file"


@pytest.mark.parametrize(
    ("missing", "ways"),
    [("DURE_SERVER", ("--server", "DURE_SERVER", "config.toml")), ("DURE_TOKEN", ("--token-file", "DURE_TOKEN"))],
)
def test_a_missing_context_is_said_with_the_ways_to_give_it(
    run: Run, environ: dict[str, str], missing: str, ways: tuple[str, ...]
) -> None:
    del environ[missing]
    result = run("pool", "list")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: no {missing[5:].lower()} is known")
    for way in ways:
        assert way in result.stderr


def test_an_unknown_configuration_key_is_named(api: Api, run: Run, tmp_path: Path) -> None:
    path = tmp_path / ".config" / "dure" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('sever = "http://x"\n')
    result = run("pool", "list")
    assert (result.exit_code, api.seen) == (2, [])
    assert result.stderr == f"error: {path}: sever is not a setting; did you mean server?\n"


def test_an_unknown_environment_variable_is_named(run: Run, environ: dict[str, str]) -> None:
    environ["DURE_TOKN"] = "x"
    result = run("pool", "list")
    assert result.exit_code == 2
    assert "DURE_TOKN is not a setting; did you mean DURE_TOKEN?" in result.stderr


def test_a_wrong_configuration_in_json_is_a_problem(run: Run, environ: dict[str, str]) -> None:
    environ["DURE_ZONE"] = "Mars/Base"
    result = run("pool", "list", "--json")
    assert (result.exit_code, result.stderr) == (2, "")
    assert "Mars/Base" in wire.Problem.model_validate_json(result.stdout).detail


def test_a_wrong_value_is_told_in_a_broken_zone_too(api: Api, run: Run, environ: dict[str, str]) -> None:
    environ["DURE_ZONE"] = "Mars/Base"
    result = run("pool", "add", "P!", "--product", "P")
    assert (result.exit_code, api.seen) == (2, [])
    assert "POOL: 'P!' is none" in result.stderr


def test_no_line_ends_in_blanks(api: Api, run: Run) -> None:
    api.on("GET", "/v1/leases", page(answers.a_lease(name="a"), answers.a_lease(name="longer")))
    lines = run("lease", "list", "--all").stdout.splitlines()
    assert [line.rstrip() for line in lines] == lines


def test_colours_never_go_into_a_pipe(api: Api, run: Run) -> None:
    api.on("GET", "/v1/leases", page(answers.a_lease()))
    assert "\x1b" not in run("lease", "list").stdout


def test_the_width_of_the_screen_is_kept(api: Api, run: Run, environ: dict[str, str]) -> None:
    environ["COLUMNS"] = "90"
    api.on("GET", "/v1/leases", answer(page(answers.a_lease())))
    assert max(map(len, run("lease", "list").stdout.splitlines())) <= 90
