"""dure company."""

import json

from tests.unit.dure.answers import NOW, Api, a_company, a_quota, page, problem
from tests.unit.dure.conftest import Run


def test_a_company_is_added_with_its_title(api: Api, run: Run) -> None:
    api.on("POST", "/v1/companies", a_company()).on("GET", "/v1/companies/acme/quotas", page())
    assert "Acme Robotics" in run("company", "add", "acme", "--title", "Acme Robotics").stdout
    assert json.loads(api.seen[0].content) == {
        "name": "acme",
        "title": "Acme Robotics",
        "pod_security": "baseline",
    }


def test_a_company_s_pods_are_held_to_a_stricter_level(api: Api, run: Run) -> None:
    api.on("PATCH", "/v1/companies/acme", a_company(pod_security="restricted"))
    assert "restricted" in run("company", "set", "acme", "--pod-security", "restricted").stdout
    assert json.loads(api.seen[0].content) == {"pod_security": "restricted"}


def test_changing_nothing_of_a_company_is_bad_usage(run: Run) -> None:
    result = run("company", "set", "acme")
    assert result.exit_code == 2
    assert "--pod-security: say what to change" in result.stderr


def test_a_company_that_is_added_is_shown_with_the_defaults_that_it_got(api: Api, run: Run) -> None:
    api.on("POST", "/v1/companies", a_company())
    api.on("GET", "/v1/companies/acme/quotas", page(a_quota("a100", of_default=True)))
    assert "16 (default)" in run("company", "add", "acme").stdout


def test_a_company_is_shown_with_its_quotas(api: Api, run: Run) -> None:
    api.on("GET", "/v1/companies/acme", a_company())
    api.on("GET", "/v1/companies/acme/quotas", page(a_quota("a100"), a_quota("h100-80gb")))
    shown = run("company", "show", "acme").stdout
    assert "a100" in shown
    assert "h100-80gb" in shown


def test_companies_are_listed(api: Api, run: Run) -> None:
    api.on("GET", "/v1/companies", page(a_company(), next_cursor="c"), page(a_company("beta", None)))
    assert [line.split()[0] for line in run("company", "list").stdout.splitlines()[1:3]] == ["acme", "beta"]


def test_a_company_is_closed_with_its_reason_and_opened_again(api: Api, run: Run) -> None:
    api.on("POST", "/v1/companies/acme/close", a_company(closed_at=NOW))
    api.on("POST", "/v1/companies/acme/reopen", a_company())
    said = run("company", "close", "acme", "--why", "left the programme").stdout
    assert said.startswith("closed: it asks for nothing any more")
    assert api.seen[0].url.params["reason"] == "left the programme"
    api.on("GET", "/v1/companies/acme", a_company(closed_at=NOW))
    result = run("company", "reopen", "acme")
    assert (result.stdout.startswith("open: it may ask"), result.stderr) == (True, "")


def test_a_company_that_is_open_already_is_said_to_be(api: Api, run: Run) -> None:
    api.on("GET", "/v1/companies/acme", a_company()).on("POST", "/v1/companies/acme/reopen", a_company())
    result = run("company", "reopen", "acme")
    assert result.exit_code == 0
    assert result.stderr == "company acme was open already; nothing was changed\n"


def test_a_company_is_not_closed_without_a_reason(api: Api, run: Run) -> None:
    result = run("company", "close", "acme")
    assert (result.exit_code, api.seen) == (2, [])
    assert "say why" in result.stderr


def test_leases_in_the_way_of_closing_are_named(api: Api, run: Run) -> None:
    api.on("POST", "/v1/companies/acme/close", problem("company_has_leases", 409, "It has leases: lea_1."))
    result = run("company", "close", "acme", "--why", "left")
    assert (result.exit_code, "lea_1" in result.stderr) == (8, True)
