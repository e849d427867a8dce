"""Errors on their way out, and their exit codes."""

import httpx
import pytest

from dure import errors, wire
from dure.cli import exits, terminal
from tests.unit.dure.answers import SERVER, Api, page, problem
from tests.unit.dure.conftest import Run


@pytest.mark.parametrize(
    ("reply", "code", "sentence"),
    [
        pytest.param(problem("internal", 500, "Oh."), 1, "error (internal): Oh.", id="our fault"),
        pytest.param(problem("not_found", 404), 4, "error (not_found)", id="not found"),
        pytest.param(problem("unknown_pool", 404), 4, "error (unknown_pool)", id="no such pool"),
        pytest.param(
            problem("token_invalid", 401, "Unknown."), 5, "error (token_invalid): Unknown.", id="a wrong token"
        ),
        pytest.param(problem("forbidden", 403), 5, "error (forbidden)", id="not allowed"),
        pytest.param(problem("unavailable", 503, "Away."), 6, "error (unavailable): Away.", id="the database is away"),
        pytest.param(httpx.Response(502), 6, "answers 502 Bad Gateway", id="a gateway without a server"),
        pytest.param(httpx.Response(429), 6, "answers 429", id="too many requests"),
        pytest.param(httpx.ConnectError("refused"), 6, f"{SERVER} cannot be reached (refused)", id="nobody listens"),
        pytest.param(httpx.ConnectTimeout("slow"), 6, "no answer within 10 s", id="no answer"),
        pytest.param(
            httpx.Response(200, html="hello"), 6, "not as a Dure API does (HTTP 200, text/html)", id="not JSON"
        ),
        pytest.param(problem("malformed", 400), 7, "error (malformed)", id="malformed"),
        pytest.param(problem("too_large", 413), 7, "error (too_large)", id="too large"),
        pytest.param(problem("unsupported_media_type", 415), 7, "error (unsupported_media_type)", id="media type"),
        pytest.param(problem("invalid_request", 422), 7, "error (invalid_request)", id="invalid"),
        pytest.param(problem("wrong_state", 409), 8, "error (wrong_state)", id="wrong state"),
        pytest.param(problem("already_exists", 409), 8, "error (already_exists)", id="a name is taken"),
        pytest.param(problem("refused", 409), 3, "refused (refused)", id="refused"),
        pytest.param(httpx.Response(200, json={"items": 5}), 1, "cannot read as Page[Pool]", id="JSON of another kind"),
    ],
)
def test_an_error_has_its_sentence_and_code(
    api: Api, run: Run, reply: httpx.Response | Exception, code: int, sentence: str
) -> None:
    api.on("GET", "/v1/pools", reply)
    result = run("pool", "list")
    assert (result.exit_code, result.stdout) == (code, "")
    assert sentence in result.stderr


def test_every_code_of_ours_has_an_exit_code_that_is_documented() -> None:
    for cls in errors.CODES.values():
        assert exits.of(cls()) in exits.MEANINGS
        assert (exits.of(cls()) == exits.REFUSED) == issubclass(cls, errors.Refused)
        assert exits.of(cls()) != exits.OURS or cls is errors.DureError


def test_a_value_that_no_server_would_take_is_not_sent(api: Api, run: Run) -> None:
    result = run("company", "add", "Acme Inc.")
    assert (result.exit_code, api.seen) == (2, [])
    assert result.stderr == (
        "error: COMPANY: 'Acme Inc.' is none: 1 to 40 of a-z, 0-9 and -, first a letter, not - last; for example acme\n"
    )


def test_a_long_sentence_is_broken_between_words_on_a_screen_alone(
    api: Api, run: Run, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    environ["COLUMNS"] = "60"
    words = " ".join(["fifteen-letters"] * 12)
    api.on("POST", "/v1/leases", problem("never_fits", 409, f"It {words}.", lease="lea_1"))
    ask = ("ask", "p", "8", "--for", "1h")
    assert run(*ask).stderr.splitlines()[0] == f"refused (never_fits): It {words}."
    monkeypatch.setattr(terminal, "is_screen", lambda _: True)
    lines = run(*ask).stderr.splitlines()
    assert max(map(len, lines)) <= 60
    assert " ".join(line.strip() for line in lines[:-1]) == f"refused (never_fits): It {words}."
    assert lines[-1] == "  kept as lea_1: dure lease show lea_1"


def test_each_wrong_field_is_named(run: Run) -> None:
    result = run("pool", "add", "P!", "--product", "", "--grace", "2h", "--json")
    assert result.exit_code == 2
    fields = {error.field for error in wire.Problem.model_validate_json(result.stdout).errors}
    assert fields == {"POOL", "--product", "--grace"}


def test_a_wrong_token_is_never_repeated_on_the_screen(api: Api, run: Run) -> None:
    api.on("GET", "/v1/pools", problem("token_invalid", 401))
    result = run("pool", "list", "--token", "dure_topsecret")
    assert "topsecret" not in result.output


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["lease", "nonsense"],
        ["lease", "show"],
        ["ask", "p", "8"],
        ["pool", "list", "--nonsense"],
        ["--zone"],
    ],
    ids=" ".join,
)
def test_a_command_line_that_cannot_be_read_exits_2(api: Api, run: Run, words: list[str]) -> None:
    result = run(*words)
    assert (result.exit_code, result.stdout, api.seen) == (2, "", [])
    assert "Error: " in result.stderr


def test_a_fault_of_our_own_is_not_swallowed(api: Api, run: Run) -> None:
    api.on("GET", "/v1/pools", page("not a pool"))
    api.on("GET", "/v1/nodes", ZeroDivisionError("a fault"))
    assert run("pool", "list").exit_code == 1
    with pytest.raises(ZeroDivisionError):
        run("node", "list")
