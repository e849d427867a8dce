"""What a server says is text: on no command does it reach the terminal as anything else."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.live import Live
from rich.text import Text

from dure.cli.screen import Screen
from dure.render.harmless import harmless, harmless_json
from tests.unit.dure.answers import Api, a_company, page, problem
from tests.unit.dure.conftest import Run

EVIL = "bad\x1b[31mred\x1b]8;;http://evil\x07link\x9b2Jgone\x07\x08\r\x7f"


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("plain, ünï and 日本\n\ttwo lines", "plain, ünï and 日本\n\ttwo lines"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://evil\x07link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;aGVsbG8=\x9cclip", "clip"),
        ("\x1bPq#0\x1b\\sixel", "sixel"),
        ("\x1bcreset \x1b(0lines", "reset lines"),
        ("\x9b2Jc1 \x9d0;title\x07x\x85y", "c1 xy"),
        ("an end is missing \x1b]0;title", "an end is missing 0;title"),
        ("a\rb\x08c\x00d\x7fe\x0bf", "abcdef"),
    ],
)
def test_escapes_and_controls_are_gone_and_words_stay(said: str, left: str) -> None:
    assert harmless(said) == left


@given(st.text(alphabet="\x00\x07\x1b[]8;P\\m\n\t\x9b\x9c\x9d\x7fab"))
def test_no_control_is_left_whatever_it_stood_in(said: str) -> None:
    left = harmless(said)
    assert not {one for one in left if ord(one) < 32 or 127 <= ord(one) < 160} - {"\n", "\t"}


def test_json_says_the_same_without_a_control_in_it() -> None:
    said = json.dumps({"detail": EVIL}, ensure_ascii=False)
    assert json.loads(harmless_json(said)) == {"detail": EVIL}
    assert harmless_json(said).isprintable()


def test_what_a_screen_shows_live_has_no_escapes_but_its_own() -> None:
    out = io.StringIO()
    screen = Screen(file=out, width=60, force_terminal=True, color_system="truecolor")
    with Live(Text(EVIL, style="bold"), console=screen, screen=True, auto_refresh=False) as live:
        live.update(Text(EVIL + "again", style="bold"), refresh=True)
    said = out.getvalue()
    assert "\x1b[?1049h" in said
    assert "again" in said
    for part in ("\x1b[31m", "\x1b]8", "\x9b", "\x07"):
        assert part not in said


@pytest.mark.parametrize(
    "words",
    [
        ("top", "--once"),
        ("pool", "list"),
        ("pool", "list", "--json"),
        ("lease", "list"),
        ("company", "list"),
        ("status",),
    ],
)
def test_a_problem_that_a_server_makes_up_is_words_in_every_command(api: Api, run: Run, words: tuple[str, ...]) -> None:
    for path in ("pools", "calendar", "leases", "nodes", "companies", "checkup", "whoami"):
        api.on("GET", f"/v1/{path}", problem("forbidden", 403, EVIL))
    result = run(*words)
    assert "badredlink" in result.output or words[-1] == "--json"
    assert not set(result.output) & set("\x1b\x07\x08\r\x7f\x9b")


def test_words_that_stand_in_a_table_are_words(api: Api, run: Run) -> None:
    api.on("GET", "/v1/companies", page(a_company().model_copy(update={"title": EVIL})))
    result = run("company", "list")
    assert (result.exit_code, "bad" in result.stdout) == (0, True)
    assert not set(result.output) & set("\x1b\x07\x08\r\x7f\x9b")
