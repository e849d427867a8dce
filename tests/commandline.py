"""`dure` run in the process of a test: what it printed, and the status it ended with."""

from functools import cache

import typer.testing
from typer.main import get_command
from typer.testing import CliRunner, Result

from dure.cli import app
from dure.cli.terminal import Outside

# Typer makes all commands anew for every run, which is most of what a run takes.
typer.testing._get_command = cache(get_command)  # pyright: ignore[reportPrivateImportUsage]


def run(words: tuple[str, ...], outside: Outside) -> Result:
    """Raises what the command did not expect."""
    result = CliRunner().invoke(app, words, obj=outside)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result
