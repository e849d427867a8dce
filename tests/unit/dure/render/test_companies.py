"""Companies, quotas and tokens on a screen."""

from dataclasses import replace

import pytest

from dure import wire
from dure.render import companies
from tests.unit.dure.answers import NOW, a_company, a_quota, a_token, an_issued_token, in_s
from tests.unit.dure.screen import SEOUL, text


def test_a_company_is_shown_with_its_quotas() -> None:
    shown = text(companies.company(a_company(), [a_quota()], SEOUL))
    assert "Acme Robotics" in shown
    assert shown.splitlines()[-1].split() == ["h100-80gb", "16", "8", "12", "–", "–", "–"]


@pytest.mark.parametrize(
    ("more", "want"),
    [
        pytest.param({}, "valid", id="valid"),
        pytest.param({"expires_at": in_s(60)}, "valid", id="valid for now"),
        pytest.param({"expires_at": NOW}, "expired", id="expired"),
        pytest.param({"revoked_at": NOW, "expires_at": NOW}, "revoked 24 Nov 09:48:44", id="revoked"),
        pytest.param({"role": wire.Role.NODE, "used_at": NOW}, "valid", id="a credential that is in use"),
        pytest.param({"role": wire.Role.JOIN, "used_at": NOW, "expires_at": NOW}, "used 24 Nov 09:48:44", id="used"),
        pytest.param({"role": wire.Role.NODE, "replaced_at": NOW}, "replaced 24 Nov 09:48:44", id="replaced"),
    ],
)
def test_a_token_says_how_it_stands(more: dict[str, object], want: str) -> None:
    assert want in text(companies.tokens([a_token(**more)], SEOUL)).splitlines()[1]
    assert want.replace("24 Nov", "Tue 2026-11-24") in text(companies.token(a_token(**more), SEOUL))


def test_a_narrow_list_of_tokens_keeps_ids_whole() -> None:
    view = replace(SEOUL, width=80)
    found = a_token(id="tok_06eqz8n1hg7k2m9v4r3t", revoked_at=in_s(1), label="the laptop of somebody with many words")
    lines = text(companies.tokens([found, a_token(id="tok_06eqz8n1hg7k2m9v4r3u")], view), view).splitlines()
    assert [line.split()[0] for line in lines if line.startswith("tok_")] == [
        "tok_06eqz8n1hg7k2m9v4r3t",
        "tok_06eqz8n1hg7k2m9v4r3u",
    ]
    assert max(map(len, lines)) <= 80


def test_a_new_token_shows_its_secret_once() -> None:
    shown = text(companies.issued(an_issued_token(), None, SEOUL))
    assert "dure_new_secret" in shown
    assert "shown this once" in shown


def test_a_new_token_in_a_file_is_not_shown() -> None:
    shown = text(companies.issued(an_issued_token(), "/tmp/x", SEOUL))
    assert "dure_new_secret" not in shown
    assert "in /tmp/x" in shown


def test_nothing_there_says_how_to_begin() -> None:
    assert "dure company add" in text(companies.companies([], SEOUL))
    assert text(companies.tokens([], SEOUL)) == "no tokens"


def test_companies_are_listed() -> None:
    shown = text(companies.companies([a_company(title=None)], SEOUL)).splitlines()
    assert shown[1].split() == ["acme", "–", "24", "Nov", "09:48:44", "–"]
