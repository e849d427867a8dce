"""Asking over HTTP: what each decision is answered with, and what a company sees of it."""

from tests.integration.api.conftest import Site


def test_an_ask_that_fits_is_answered_201_with_its_promise(site: Site) -> None:
    answer = site.ask("acme", 8)
    lease = answer.json()
    assert (answer.status_code, lease["state"], lease["company"]) == (201, "scheduled", "acme")
