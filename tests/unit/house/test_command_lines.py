"""Every `dure ...` that somebody is told to type is one: its command, its options and how many arguments it takes.

Nothing is run. A line of its own has to be whole; one within a sentence may leave out what it is about. docs/cli.md is made of the
commands themselves.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from dure.cli import app

TREE = Path(__file__).resolve().parents[3]
HELM = TREE / "deploy" / "helm"
RULES = sorted((HELM / "dure" / "templates" / "monitoring").glob("_*.tpl"))
DOCS = [page for page in sorted((TREE / "docs").glob("*.md")) if page.name != "cli.md"]
NOTES = HELM / "dure" / "templates" / "NOTES.txt"
PAGES = [TREE / "README.md", HELM / "README.md", NOTES, *RULES, *DOCS]

ROOT: Any = typer.main.get_command(app)
LINE = re.compile(r"^ *(?:\$ )?(dure (?:[^\n\\]|\\\n|\\.)+)$", re.MULTILINE)
NOTED = re.compile(r": +(dure .+)$", re.MULTILINE)
WITHIN = re.compile(r"`(dure [^`]+)`|\"(dure [^\"]+)\"")
SHELL = {"|", ">", ">>", "<", "&&", "||", ";"}


def lines(text: str) -> Iterator[str]:
    """Of blocks of commands: what stands after their prompt, or is indented."""
    for found in LINE.finditer(text):
        if found[0].startswith((" ", "$")) or text[: found.start()].count("```") % 2:
            yield found[1].replace("\\\n", " ")
    yield from NOTED.findall(text)


def within(text: str) -> Iterator[str]:
    """Of sentences, in what is theirs of quotes."""
    prose = LINE.sub("", text).replace('\\"', '"')
    yield from (" ".join((one or other).split()) for one, other in WITHIN.findall(prose))


def wrong(said: str, *, whole: bool) -> str | None:
    """What the command line would complain of, and None where it would not."""
    words = typed(said)
    try:
        return _wrong(ROOT, words[1:], whole=whole)
    except typer.BadParameter as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - click's own, which typer does not name
        if not whole and "requires an argument" in str(error):
            return None
        return str(error)


def typed(said: str) -> list[str]:
    words = shlex.split(re.sub(r"\{\{.*?\}\}", "X", said), comments=True)
    return words[: next((number for number, word in enumerate(words) if word in SHELL), len(words))]


def _wrong(command: Any, words: list[str], *, whole: bool) -> str | None:
    given, rest, _ = command.make_parser(command.context_class(command)).parse_args(words)
    if hasattr(command, "commands"):
        if not rest:
            return "it says no command" if whole else None
        below = command.commands.get(rest[0])
        return f"there is no {rest[0]}" if below is None else _wrong(below, rest[1:], whole=whole)
    if rest:
        return f"it takes no {rest}"
    missing = [one.name for one in command.params if one.required and not _had(given.get(one.name))]
    return f"it lacks {missing}" if whole and missing else None


def _had(value: object) -> bool:
    """Whether something was given; what was not is None, nothing, or a sign of click's."""
    return isinstance(value, (str, tuple, list)) and bool(value)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_is_one(page: Path) -> None:
    text = page.read_text()
    found = {said: wrong(said, whole=True) for said in lines(text)}
    found |= {said: wrong(said, whole=False) for said in within(text)}
    assert {said: why for said, why in found.items() if why is not None} == {}


def test_commands_are_found_wherever_they_stand() -> None:
    assert 'dure ask h100-80gb 2x8 --for 2h --name "pretrain 7b"' in set(lines((TREE / "README.md").read_text()))
    assert "dure node adopt NODE POOL" in set(lines(NOTES.read_text()))
    assert "dure token issue --role admin --label anna --token-file anna.token" in set(
        within((TREE / "docs" / "operations.md").read_text())
    )
    assert {"dure lease list", "dure lease explain LEASE"} <= {
        one for page in RULES for one in within(page.read_text())
    }


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("dure nod list", "there is no nod"),
        ("dure node lists", "there is no lists"),
        ("dure node show a b", r"it takes no \['b'\]"),
        ("dure node show", "it lacks"),
        ("dure node show a --widely", "No such option"),
        ("dure ask h100 8 --for", "requires an argument"),
        ("dure node", "it says no command"),
    ],
)
def test_what_is_not_one_is_found(said: str, why: str) -> None:
    assert re.search(why, wrong(said, whole=True) or "")


def test_what_the_shell_takes_is_no_argument() -> None:
    assert wrong("dure --token-file a.token policy show > policy.yaml   # as it is", whole=True) is None
    assert wrong("dure run LEASE -- IMAGE COMMAND...", whole=True) is None
    assert wrong("dure whatif --since", whole=False) is None
