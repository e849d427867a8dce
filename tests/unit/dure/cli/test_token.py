"""dure token."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from dure import wire
from dure.cli.token import Role
from tests.unit.dure.answers import Api, a_token, an_issued_token, in_s, page
from tests.unit.dure.conftest import Run

TOKENS = ("POST", "/v1/tokens")


@pytest.mark.parametrize(
    ("words", "want"),
    [
        pytest.param(["--company", "acme"], {"role": "company", "company": "acme"}, id="of a company"),
        pytest.param(["--node", "gpu-01"], {"role": "node", "node": "gpu-01"}, id="of a node"),
        pytest.param(["--role", "admin", "--label", "ci"], {"role": "admin", "label": "ci"}, id="of an admin"),
        pytest.param(
            ["--company", "acme", "--expires", "+30d"],
            {"role": "company", "company": "acme", "expires_at": "2026-12-24T00:48:44Z"},
            id="for a while",
        ),
    ],
)
def test_a_token_is_issued_and_its_secret_shown_once(
    api: Api, run: Run, words: list[str], want: dict[str, Any]
) -> None:
    api.on(*TOKENS, an_issued_token())
    assert "dure_new_secret" in run("token", "issue", *words).stdout
    assert json.loads(api.seen[0].content) == want


def test_whose_token_it_is_must_be_said(api: Api, run: Run) -> None:
    result = run("token", "issue")
    assert (result.exit_code, api.seen) == (2, [])
    assert "--company NAME, --node NAME, or --role admin" in result.stderr


def test_a_role_that_contradicts_its_subject_is_not_sent(api: Api, run: Run) -> None:
    assert run("token", "issue", "--role", "admin", "--company", "acme").exit_code == 2
    assert api.seen == []


def test_a_secret_goes_into_a_file_that_only_its_owner_reads(api: Api, run: Run, tmp_path: Path) -> None:
    api.on(*TOKENS, an_issued_token())
    path = tmp_path / "acme.token"
    result = run("token", "issue", "--company", "acme", "--token-file", str(path), "--json")
    assert path.read_text() == "dure_new_secret\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert wire.Token.model_validate_json(result.stdout) == a_token()
    assert "dure_new_secret" not in result.output
    assert api.seen[0].headers["authorization"] == "Bearer dure_secret"


def test_tokens_are_listed(api: Api, run: Run) -> None:
    api.on("GET", "/v1/tokens", page(a_token()))
    assert run("token", "list").stdout.splitlines()[1].split()[:4] == ["tok_1", "company", "acme", "valid"]


def test_a_token_is_revoked(api: Api, run: Run) -> None:
    api.on("DELETE", "/v1/tokens/tok_1", a_token(revoked_at=a_token().created_at))
    assert "revoked: nobody gets in" in run("token", "revoke", "tok_1").stdout


def test_a_token_that_was_revoked_before_says_since_when(api: Api, run: Run) -> None:
    api.on("DELETE", "/v1/tokens/tok_1", a_token(revoked_at=in_s(-7200)))
    assert run("token", "revoke", "tok_1").stdout.startswith(
        "it was revoked already, since Tue 2026-11-24 07:48:44 KST (2026-11-23 22:48:44 UTC), 2h ago"
    )


def test_the_roles_are_those_of_the_wire_but_that_of_join_tokens() -> None:
    assert [str(role) for role in Role] == [str(role) for role in wire.Role if role is not wire.Role.JOIN]
