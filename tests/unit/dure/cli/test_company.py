"""dure company."""

import json

from tests.unit.dure.answers import Api, a_company, a_quota, page
from tests.unit.dure.conftest import Run


def test_a_company_is_added_with_its_title(api: Api, run: Run) -> None:
    api.on("POST", "/v1/companies", a_company()).on("GET", "/v1/companies/acme/quotas", page())
    assert "Acme Robotics" in run("company", "add", "acme", "--title", "Acme Robotics").stdout
    assert json.loads(api.seen[0].content) == {"name": "acme", "title": "Acme Robotics"}


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
