"""What docs/kubernetes-users.md shows is the files that a test applies, and commands that there are."""

import re
from pathlib import Path
from typing import Any

import typer

from dure.cli import app, docs

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = (DOCS / "kubernetes-users.md").read_text()


def test_every_example_is_shown_as_it_stands() -> None:
    shown = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    files = (DOCS / "examples" / "kubernetes").glob("*.yaml")
    assert sorted(shown) == sorted(one.read_text() for one in files)


def test_every_command_is_one_with_these_options() -> None:
    root: Any = typer.main.get_command(app)
    commands = dict(docs.commands(root, "dure"))
    for line in re.findall(r"^    \$ (dure .*)$", PAGE, re.MULTILINE):
        words = line.partition(" -- ")[0].split()
        command = commands[" ".join(words[:2])]
        options = {name for one in command.params for name in one.opts}
        assert {word for word in words if word.startswith("--")} <= options
