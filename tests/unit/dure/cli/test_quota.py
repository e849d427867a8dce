"""dure quota."""

import json
from pathlib import Path
from typing import Any

import pytest

from dure import quota_file, wire
from dure.cli import exits
from tests.unit.dure.answers import Api, a_beyond, a_budget, a_change, a_period, a_quota, an_import, page, problem
from tests.unit.dure.conftest import Run

MINE = "/v1/companies/acme/quotas/h100-80gb"
LISTED = "/v1/companies/acme/quotas"
ALL = "/v1/quotas"
SET = ("quota", "set", "acme", "h100-80gb")
DEFAULT = ("quota", "default", "h100-80gb")
TERM = ("--budget", "9000h/term", "--begins", "2027-03-01", "--ends", "2027-07-01")
WHY = ("--why", "less")
FIRST, SECOND = "lea_06eqz8n1hg7k2m9v4r31", "lea_06eqz8n1hg7k2m9v4r32"


def changes(api: Api) -> list[tuple[str, dict[str, str], dict[str, Any]]]:
    """What was sent to change something: how, with which parameters, and what."""
    return [
        (one.method, dict(one.url.params), json.loads(one.content or b"{}")) for one in api.seen if one.method != "GET"
    ]


def holding(api: Api, *held: wire.Quota, answer: wire.Quota | None = None) -> Api:
    return api.on("GET", LISTED, page(*held)).on("PATCH", MINE, answer or a_quota())


@pytest.mark.parametrize("gpus", [0, 16])
def test_a_quota_is_set(api: Api, run: Run, gpus: int) -> None:
    api.on("PATCH", MINE, a_quota(gpus=gpus))
    assert f"{gpus} GPUs at once" in run(*SET, "--gpus", str(gpus)).stdout
    assert changes(api) == [("PATCH", {}, {"gpus": gpus})]


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        pytest.param("--longest 72h", {"longest_s": 259_200}, id="longest"),
        pytest.param("--longest none", {"longest_s": None}, id="no longest"),
        pytest.param("--furthest 30d", {"furthest_s": 2_592_000}, id="furthest"),
        pytest.param("--furthest none", {"furthest_s": None}, id="no furthest"),
        pytest.param("--ahead 500h", {"ahead_gpu_seconds": 1_800_000}, id="ahead"),
        pytest.param("--ahead none", {"ahead_gpu_seconds": None}, id="no ahead"),
        pytest.param("--open-asks 20", {"open_asks": 20}, id="open asks"),
        pytest.param("--open-asks none", {"open_asks": None}, id="no open asks"),
        pytest.param("--budget none", {"budget": None}, id="no budget"),
        pytest.param("--gpus 8 --longest none", {"gpus": 8, "longest_s": None}, id="two"),
    ],
)
def test_what_is_named_is_sent_and_nothing_else(api: Api, run: Run, words: str, sent: dict[str, Any]) -> None:
    holding(api, a_quota(budget=a_budget()))
    assert run(*SET, *words.split()).exit_code == 0
    assert changes(api) == [("PATCH", {}, sent)]


NONE = {"begins_at": None, "ends_at": None, "carries_over": False, "zone": None}


@pytest.mark.parametrize(
    ("held", "words", "want"),
    [
        pytest.param(
            None, ["--budget", "2000h/month"], {**NONE, "gpu_seconds": 7_200_000, "period": "month"}, id="a first one"
        ),
        pytest.param(
            a_budget(carries_over=True, zone="Asia/Seoul"),
            ["--budget", "1000h/month"],
            {**NONE, "gpu_seconds": 3_600_000, "period": "month", "carries_over": True, "zone": "Asia/Seoul"},
            id="another amount",
        ),
        pytest.param(
            a_budget(),
            ["--carry-over"],
            {**NONE, "gpu_seconds": 7_200_000, "period": "month", "carries_over": True},
            id="carried over from now on",
        ),
        pytest.param(
            a_budget(carries_over=True),
            ["--no-carry-over"],
            {**NONE, "gpu_seconds": 7_200_000, "period": "month"},
            id="no more",
        ),
        pytest.param(
            a_budget(carries_over=True, zone="Asia/Seoul"),
            ["--budget", "500h/week"],
            {**NONE, "gpu_seconds": 1_800_000, "period": "week"},
            id="other periods",
        ),
        pytest.param(
            a_budget(),
            list(TERM),
            {
                **NONE,
                "gpu_seconds": 32_400_000,
                "period": "term",
                "begins_at": "2027-02-28T15:00:00Z",
                "ends_at": "2027-06-30T15:00:00Z",
            },
            id="a term, in the person's zone",
        ),
    ],
)
def test_of_a_budget_what_is_not_named_stays(
    api: Api, run: Run, held: wire.Budget | None, words: list[str], want: dict[str, Any]
) -> None:
    holding(api, a_quota("a100", budget=a_budget(1, "week")), a_quota(budget=held))
    assert run(*SET, *words).exit_code == 0
    assert changes(api) == [("PATCH", {}, {"budget": want})]


def test_one_end_of_a_term_is_moved_alone(api: Api, run: Run) -> None:
    held = a_budget(3600, "term", begins_at="2027-02-28T15:00:00Z", ends_at="2027-06-30T15:00:00Z")
    holding(api, a_quota(budget=held))
    run(*SET, "--ends", "2027-08-01")
    [(_, _, sent)] = changes(api)
    assert (sent["budget"]["begins_at"], sent["budget"]["ends_at"]) == ("2027-02-28T15:00:00Z", "2027-07-31T15:00:00Z")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param("", "--gpus: or another option: say what to change; for example --gpus 16", id="nothing"),
        pytest.param("--gpus -1", "", id="fewer than none"),
        pytest.param("--gpus 100001", "--gpus: 100001 is not a whole number from 0 to 100000", id="too many"),
        pytest.param("--gpus many", "", id="no number"),
        pytest.param("--gpus 1.5", "", id="a half"),
        pytest.param("--longest 61d", "--longest: 61d is not from 1s to 60d", id="too long"),
        pytest.param("--longest soon", "--longest: 'soon' is no duration", id="no duration"),
        pytest.param("--furthest 61d", "--furthest: 61d is not from 0s to 60d", id="too far"),
        pytest.param("--ahead 5", "--ahead: '5' is no number of GPU-hours; for example 500h", id="no unit"),
        pytest.param("--open-asks 0", "--open-asks: 0 is not a whole number from 1 to 1000000", id="no asks"),
        pytest.param("--open-asks few", "--open-asks: 'few' is no whole number; for example 20, or none", id="a word"),
        pytest.param("--budget lots", "--budget: 'lots' is no budget; for example 2000h/month", id="no budget"),
        pytest.param("--budget -5h/month", "--budget: '-5h' is no number of GPU-hours", id="a negative budget"),
        pytest.param("--budget none --carry-over", "--budget: none takes the budget away; leave", id="none, carried"),
        pytest.param("--budget 9h/term", "--budget: a term has --begins and --ends", id="a term of no dates"),
        pytest.param(
            "--budget 9h/term --begins 2027-03-01 --ends 2027-02-01", "--budget: a term ends after it", id="ends first"
        ),
        pytest.param("--begins 2027-03-01", "--budget: a budget by the month has no --begins and --ends", id="a month"),
        pytest.param("--begins someday", "--begins: 'someday' is no time", id="no time"),
    ],
)
def test_what_is_no_quota_is_told_and_not_sent(api: Api, run: Run, words: str, says: str) -> None:
    holding(api, a_quota(budget=a_budget()))
    done = run(*SET, *words.split())
    assert (done.exit_code, changes(api)) == (2, [])
    assert says in done.stderr


def test_a_time_that_the_clocks_skip_is_told_with_those_around_it(api: Api, run: Run) -> None:
    holding(api, a_quota())
    words = ("--budget", "9h/term", "--begins", "2027-03-28 02:30", "--ends", "2027-07-01", "--zone", "Europe/Berlin")
    done = run(*SET, *words)
    assert (done.exit_code, changes(api)) == (2, [])
    assert "--begins: '2027-03-28 02:30' does not exist in Europe/Berlin" in done.stderr
    assert 'write "2027-03-28 01:30" or "2027-03-28 03:30"' in done.stderr


def test_nothing_of_a_budget_is_changed_where_there_is_none(api: Api, run: Run) -> None:
    holding(api, a_quota())
    done = run(*SET, "--carry-over")
    assert (done.exit_code, changes(api)) == (2, [])
    assert "there is no budget yet; say how much it is, for example --budget 2000h/month" in done.stderr


def test_a_dry_run_changes_nothing_and_names_whom_it_touches(api: Api, run: Run) -> None:
    holding(api, answer=a_quota(beyond=[a_beyond(FIRST)]))
    shown = run(*SET, "--gpus", "8", "--dry-run").stdout
    assert changes(api) == [("PATCH", {"dry_run": "true"}, {"gpus": 8})]
    assert shown.startswith("this is what would be so; nothing was changed")
    assert FIRST in shown


def test_what_is_revoked_is_exactly_what_was_beyond_it_when_that_was_asked(api: Api, run: Run) -> None:
    beyond = [a_beyond(FIRST), a_beyond(SECOND, "budget")]
    api.on("PATCH", MINE, a_quota(beyond=beyond), a_quota(revoked=[FIRST, SECOND]))
    shown = run(*SET, "--gpus", "8", "--revoke", *WHY).stdout
    assert [one.url.query.decode() for one in api.seen] == [
        "dry_run=true&reason=less",
        f"revoke={FIRST}&revoke={SECOND}&reason=less",
    ]
    assert f"taken back: {FIRST}, {SECOND}" in shown


def test_a_dry_run_of_revoking_revokes_nothing(api: Api, run: Run) -> None:
    api.on("PATCH", MINE, a_quota(beyond=[a_beyond(FIRST)]))
    run(*SET, "--gpus", "8", "--revoke", "--dry-run")
    assert changes(api) == [("PATCH", {"dry_run": "true"}, {"gpus": 8})]


def test_where_one_has_started_meanwhile_nothing_is_revoked_and_that_is_said(api: Api, run: Run) -> None:
    api.on("PATCH", MINE, a_quota(beyond=[a_beyond(FIRST)]), problem("not_beyond_quota", 409, f"{FIRST}: not beyond"))
    done = run(*SET, "--gpus", "8", "--revoke", *WHY)
    assert (done.exit_code, done.stdout) == (exits.CONFLICT, "")
    assert done.stderr.startswith(f"error (not_beyond_quota): {FIRST}: not beyond")


def test_a_companys_own_is_taken_away(api: Api, run: Run) -> None:
    api.on("DELETE", MINE, a_quota(of_default=True))
    assert "16 GPUs at once, the default of the pool" in run("quota", "remove", "acme", "h100-80gb").stdout
    run("quota", "remove", "acme", "h100-80gb", "--dry-run")
    assert changes(api) == [("DELETE", {}, {}), ("DELETE", {"dry_run": "true"}, {})]


def test_with_a_companys_own_what_was_beyond_what_is_left_is_taken_back(api: Api, run: Run) -> None:
    api.on("DELETE", MINE, a_quota(beyond=[a_beyond(FIRST), a_beyond(SECOND)]), a_quota(revoked=[FIRST, SECOND]))
    shown = run("quota", "remove", "acme", "h100-80gb", "--revoke", *WHY).stdout
    assert [one.url.query.decode() for one in api.seen] == [
        "dry_run=true&reason=less",
        f"revoke={FIRST}&revoke={SECOND}&reason=less",
    ]
    assert f"taken back: {FIRST}, {SECOND}" in shown


@pytest.mark.parametrize(
    ("method", "path", "line"),
    [
        ("PATCH", MINE, (*SET, "--gpus", "8")),
        ("DELETE", MINE, ("quota", "remove", "acme", "h100-80gb")),
        ("PUT", ALL, (*DEFAULT, "--gpus", "8")),
    ],
)
def test_a_dry_run_with_revoke_takes_nothing_back_and_says_what_would_be(
    api: Api, run: Run, method: str, path: str, line: tuple[str, ...]
) -> None:
    found = an_import(a_change(beyond=[a_beyond(FIRST)])) if method == "PUT" else a_quota(beyond=[a_beyond(FIRST)])
    api.on("GET", ALL, page()).on(method, path, found)
    shown = run(*line, "--revoke", "--dry-run").stdout
    assert [one.url.query.decode() for one in api.seen if one.method == method] == ["dry_run=true"]
    assert "which would be taken back:" in shown


@pytest.mark.parametrize("why", [(), ("--why", "  ")], ids=["nothing", "blanks"])
@pytest.mark.parametrize(
    "line",
    [(*SET, "--gpus", "8"), ("quota", "remove", "acme", "h100-80gb"), (*DEFAULT, "--gpus", "8"), ("quota", "import")],
    ids=["set", "remove", "default", "import"],
)
def test_no_promise_is_taken_back_without_a_reason(
    api: Api, run: Run, file: Path, line: tuple[str, ...], why: tuple[str, ...]
) -> None:
    done = run(*line, *([str(file)] if "import" in line else []), "--revoke", *why)
    assert (done.exit_code, api.seen) == (2, [])
    assert done.stderr.startswith("error: --why: say why: it stays in the audit log; for example --why ")


def test_a_first_default_says_how_many_gpus(api: Api, run: Run) -> None:
    api.on("GET", ALL, page(wire.QuotaOf(company="acme", pool="h100-80gb", gpus=9))).on(
        "PUT", ALL, an_import(a_change(None))
    )
    assert run(*DEFAULT, "--longest", "1h").exit_code == 2
    assert run(*DEFAULT).exit_code == 2
    assert changes(api) == []
    assert run(*DEFAULT, "--gpus", "4", "--longest", "1h").exit_code == 0
    [(method, params, sent)] = changes(api)
    assert (method, params) == ("PUT", {})
    want = wire.QuotaOf(pool="h100-80gb", gpus=4, longest_s=3600)
    assert wire.QuotaImport.model_validate(sent) == wire.QuotaImport(quotas=[want])


def test_what_is_not_named_of_a_default_stays(api: Api, run: Run) -> None:
    held = wire.QuotaOf(pool="h100-80gb", gpus=4, longest_s=3600, open_asks=3, budget=a_budget())
    api.on("GET", ALL, page(held)).on("PUT", ALL, an_import(a_change(None)))
    run(*DEFAULT, "--longest", "none", "--carry-over")
    [(_, _, sent)] = changes(api)
    want = held.model_copy(update={"longest_s": None, "budget": a_budget(carries_over=True)})
    assert wire.QuotaImport.model_validate(sent).quotas == [want]


def test_of_a_default_too_what_is_revoked_is_what_was_beyond_it(api: Api, run: Run) -> None:
    change = a_change(None, beyond=[a_beyond(FIRST), a_beyond(SECOND)])
    api.on("GET", ALL, page()).on("PUT", ALL, an_import(change), an_import(change, revoked=[FIRST, SECOND]))
    shown = run(*DEFAULT, "--gpus", "8", "--revoke", *WHY).stdout
    queries = [one.url.query.decode() for one in api.seen if one.method == "PUT"]
    assert queries == ["dry_run=true&reason=less", f"revoke={FIRST}&revoke={SECOND}&reason=less"]
    assert "promises beyond it" not in shown


def test_a_default_is_taken_away_with_no_other_option(api: Api, run: Run) -> None:
    api.on("DELETE", f"{ALL}/h100-80gb", wire.QuotaOf(pool="h100-80gb", gpus=4, longest_s=3600))
    for words in (["--gpus", "4"], ["--budget", "none"], ["--dry-run"], ["--revoke"]):
        assert "leave the other options out" in run(*DEFAULT, "--remove", *words).stderr
    assert api.seen == []
    assert run(*DEFAULT, "--remove").stdout == "pool h100-80gb has no default any more; it was 4 GPUs, longest 1h\n"


def test_quotas_are_shown_beside_what_is_held(api: Api, run: Run) -> None:
    held = [a_quota(budget=a_budget(), periods=[a_period()], longest_s=3600), a_quota("a100", of_default=True)]
    api.on("GET", LISTED, page(*held))
    first, second = (line.split() for line in run("quota", "show", "acme").stdout.splitlines()[1:3])
    assert first == ["h100-80gb", "16", "8", "12", "2000h/month", "1,997.00", "longest", "1h"]
    assert second == ["a100", "16", "(default)", "8", "12", "–", "–", "–"]


def test_without_quotas_it_is_said_who_sets_them(api: Api, run: Run) -> None:
    api.on("GET", LISTED, page())
    assert run("quota", "show", "acme").stdout.startswith("no quotas: without one a pool is closed")


OWN = wire.QuotaOf(company="acme", pool="h100-80gb", gpus=16, budget=a_budget(zone="Asia/Seoul"))
OF_ALL = wire.QuotaOf(pool="h100-80gb", gpus=4, longest_s=3600)


def test_what_is_exported_is_a_file_that_says_the_same(api: Api, run: Run) -> None:
    api.on("GET", ALL, page(OF_ALL, next_cursor="c"), page(OWN))
    assert quota_file.read(run("quota", "export").stdout.encode()).quotas == [OF_ALL, OWN]
    api.on("GET", ALL, page(OF_ALL, OWN))
    assert json.loads(run("quota", "export", "--json").stdout)["items"][1]["company"] == "acme"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "quotas.yaml"
    found.write_text(quota_file.write([OF_ALL, OWN]))
    return found


def test_a_file_is_imported_in_one_request(api: Api, run: Run, file: Path) -> None:
    api.on("PUT", ALL, an_import(a_change(), same=1))
    shown = run("quota", "import", str(file), "--why", "for June").stdout.splitlines()
    assert shown[0] == "1 quota is different, 1 as before"
    assert shown[2].split()[:4] == ["acme", "h100-80gb", "16", "GPUs"]
    [(_, params, sent)] = changes(api)
    assert params == {"reason": "for June"}
    assert wire.QuotaImport.model_validate(sent).quotas == [OF_ALL, OWN]


def test_a_dry_run_of_an_import_says_what_would_be_different_and_whom_it_touches(
    api: Api, run: Run, file: Path
) -> None:
    api.on("PUT", ALL, an_import(a_change(beyond=[a_beyond(FIRST)])))
    shown = run("quota", "import", str(file), "--dry-run").stdout
    assert shown.startswith("1 quota would be different, none as before")
    assert FIRST in shown
    assert [params for _, params, _ in changes(api)] == [{"dry_run": "true"}]


def test_what_an_import_revokes_is_what_was_beyond_it_when_that_was_asked(api: Api, run: Run, file: Path) -> None:
    found = a_change(beyond=[a_beyond(FIRST)]), a_change("globex", beyond=[a_beyond(SECOND)])
    api.on("PUT", ALL, an_import(*found), an_import(*found, revoked=[FIRST, SECOND]))
    run("quota", "import", str(file), "--revoke", *WHY)
    assert [one.url.query.decode() for one in api.seen] == [
        "dry_run=true&reason=less",
        f"revoke={FIRST}&revoke={SECOND}&reason=less",
    ]


WARNING = wire.FieldError(field="budget", message="9000h/month is never reached")


def test_limits_that_have_no_use_are_named_with_their_lines(api: Api, run: Run, file: Path) -> None:
    api.on("PUT", ALL, an_import(a_change(warnings=[WARNING])))
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if "company: acme" in text)
    for words in ((), ("--dry-run",)):
        shown = run("quota", "import", str(file), *words).stdout
        assert f"warning: {file}:{line}: budget: 9000h/month is never reached" in shown


def test_a_quota_of_which_a_limit_has_no_use_says_so(api: Api, run: Run) -> None:
    api.on("PATCH", MINE, a_quota(warnings=[WARNING])).on("GET", LISTED, page(a_quota(warnings=[WARNING])))
    assert "warning: budget: 9000h/month is never reached" in run(*SET, "--gpus", "8").stdout
    assert "warning: pool h100-80gb: budget: 9000h/month is never reached" in run("quota", "show", "acme").stdout
    api.on("GET", ALL, page()).on("PUT", ALL, an_import(a_change(None, warnings=[WARNING])))
    shown = run(*DEFAULT, "--gpus", "4").stdout
    assert "warning: the default in pool h100-80gb: budget: 9000h/month is never reached" in shown


def test_of_a_default_what_cannot_be_is_said_without_a_place_in_a_list(api: Api, run: Run) -> None:
    errors = [wire.FieldError(field="quotas.0.budget", message="nothing of 5h/week can be had")]
    said = problem("contradictory_limits", 422, "quotas.0.budget: nothing of 5h/week can be had", errors=errors)
    api.on("GET", ALL, page()).on("PUT", ALL, said)
    done = run(*DEFAULT, "--gpus", "0", "--budget", "5h/week")
    assert (done.exit_code, done.stdout) == (exits.INVALID, "")
    assert done.stderr.startswith("error (contradictory_limits): budget: nothing of 5h/week can be had")


def test_the_default_of_a_pool_that_is_not_there_is_refused_as_everywhere(api: Api, run: Run) -> None:
    errors = [wire.FieldError(field="quotas.0.pool", message="there is no pool h100-80gb")]
    said = problem("invalid_request", 422, "quotas.0.pool: there is no pool h100-80gb", errors=errors)
    api.on("GET", ALL, page()).on("PUT", ALL, said)
    done = run(*DEFAULT, "--gpus", "4")
    assert (done.exit_code, done.stdout) == (exits.NOT_FOUND, "")
    assert done.stderr.startswith("error (unknown_pool): there is no pool h100-80gb; `dure pool list` shows")


def test_limits_that_contradict_each_other_are_said_at_their_line(api: Api, run: Run, file: Path) -> None:
    errors = [wire.FieldError(field="quotas.0.budget", message="nothing of 5h/week can be had while gpus is 0")]
    api.on("PUT", ALL, problem("contradictory_limits", 422, errors=errors))
    done = run("quota", "import", str(file))
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"error: {file}:3: nothing of 5h/week can be had while gpus is 0\n"


def test_mistakes_in_a_file_are_named_by_their_lines_and_nothing_is_sent(api: Api, run: Run, file: Path) -> None:
    file.write_text("quotas:\n  - pool: h100\n    gpus: x\n  - company: acme\n    gpus: 1\n")
    done = run("quota", "import", str(file))
    assert (done.exit_code, api.seen) == (2, [])
    lines = done.stderr.splitlines()
    assert [line.partition(":")[2].split(": ")[0] for line in lines] == [f" {file}:3", f" {file}:4"]


def test_what_the_server_says_of_a_quota_is_said_of_its_line(api: Api, run: Run, file: Path) -> None:
    errors = [wire.FieldError(field="quotas.1.company", message="there is no company acme")]
    api.on("PUT", ALL, problem("invalid_request", 422, errors=errors))
    done = run("quota", "import", str(file))
    assert (done.exit_code, done.stdout) == (2, "")
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if "company: acme" in text)
    assert done.stderr == f"error: {file}:{line}: there is no company acme\n"


def test_what_the_server_says_of_something_else_is_said_as_it_is(api: Api, run: Run, file: Path) -> None:
    errors = [wire.FieldError(field="reason", message="is too long")]
    api.on("PUT", ALL, problem("invalid_request", 422, errors=errors))
    done = run("quota", "import", str(file))
    assert done.stderr.startswith("error (invalid_request)")


@pytest.mark.parametrize("words", [["/nowhere/quotas.yaml"], ["/"]], ids=["no file", "a folder"])
def test_a_file_that_cannot_be_read_is_said(api: Api, run: Run, words: list[str]) -> None:
    done = run("quota", "import", *words)
    assert (done.exit_code, api.seen) == (2, [])
    assert done.stderr.startswith(f"error: FILE: {words[0]} cannot be read")
