"""The page about the command line is complete and up to date, and every word of it is explained."""

from pathlib import Path
from typing import Any

import pytest
import typer

from dure.cli import app, docs

PAGE = Path(__file__).resolve().parents[3] / "docs" / "cli.md"
ROOT: Any = typer.main.get_command(app)
COMMANDS = dict(docs.commands(ROOT, "dure"))

WANTED = """
ask audit calendar clusters doctor events kube-token kubeconfig logs pods run shell status support-bundle top report usage version violations whatif
company add, company set, company list, company show, company close, company reopen, quota set, quota remove, quota default, quota show, quota export, quota import,
share set, share remove, share group, fair show, ledger show, ledger verify, ledger adjust, token issue, token list, token revoke,
offer search, offer list, offer show, offer claim, policy show, policy check, policy diff, policy apply, policy history,
pool add, pool list, pool show, pool enforce, pool policy, node adopt, node enroll, node join-token, node list, node show, node events, node drain, node resume, node label,
webhook add, webhook list, webhook show, webhook deliveries, webhook test, webhook rotate, webhook enable, webhook remove,
decision show, decision replay, lease explain,
lease list, lease show, lease release, lease cancel, lease watch, lease events, lease extend, lease shrink, lease resize, lease renew, lease keep
"""


def test_the_page_is_what_the_commands_make() -> None:
    assert PAGE.read_text(encoding="utf-8") == docs.markdown(), "run: python -m dure.cli.docs > docs/cli.md"


def test_every_command_is_there() -> None:
    singles, _, pairs = WANTED.strip().partition("\n")
    wanted = singles.split() + [pair.strip() for pair in pairs.replace("\n", " ").split(",")]
    assert sorted(COMMANDS) == sorted(f"dure {words}" for words in wanted)


def test_what_a_flag_is_taken_back_by_is_said() -> None:
    assert "[--carry-over / --no-carry-over]" in docs.markdown()


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_says_in_its_first_line_what_it_does(path: str) -> None:
    first = COMMANDS[path].help.splitlines()[0]
    assert first.endswith(".")
    assert len(first) <= 60


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_and_argument_has_help_and_a_word_for_its_value(path: str) -> None:
    for parameter in COMMANDS[path].params:
        assert parameter.help, parameter.name
        assert parameter.param_type_name == "argument" or parameter.is_flag or parameter.metavar, parameter.name


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_answers_in_json_and_takes_a_context(path: str) -> None:
    assert {"json", "server", "token", "token_file", "zone"} <= {parameter.name for parameter in COMMANDS[path].params}


CHANGES = """
ask, lease release, lease cancel, lease extend, lease shrink, lease resize, lease renew, lease keep, offer claim, company add, company set, company close, company reopen,
quota set, quota remove, quota default, quota import,
token issue, token revoke, pool add, pool enforce, pool policy, node enroll, node join-token, node drain, node resume, node label,
webhook add, webhook rotate, webhook enable, webhook remove, ledger adjust, policy apply, share set, share remove, share group
"""


def test_why_is_asked_of_whoever_changes_something_and_of_nobody_else() -> None:
    offered = {path for path, command in COMMANDS.items() if "why" in {one.name for one in command.params}}
    assert offered == {f"dure {words.strip()}" for words in CHANGES.replace("\n", " ").split(",")}


def test_every_group_says_what_it_is() -> None:
    for name, group in ROOT.commands.items():
        assert group.help, name
