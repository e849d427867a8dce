"""The operator's own kubectl, and which cluster it looked for where it reached none."""

import os
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dure.cli.terminal import BadUsage, Terminal

if TYPE_CHECKING:
    from dure.kubectl import Kubectl

Kubeconfig = Annotated[
    str | None, typer.Option(metavar="PATH", help="The operator's kubeconfig; else kubectl's own way to find one.")
]
Context = Annotated[str | None, typer.Option(metavar="CONTEXT", help="Of that kubeconfig; else its current one.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which cluster the operator said."""

    kubeconfig: str | None = None
    context: str | None = None


NOT_REACHED = re.compile(
    r"connection to the server|[Uu]nable to connect to the server|context .*does not exist|no context exists"
    r"|(?:incomplete|invalid) configuration|loading config file"
)
"""kubectl's words where it does not come as far as a cluster."""


@contextmanager
def kubectl(terminal: Terminal, kubeconfig: str | None, context: str | None) -> Generator["Kubectl"]:
    """Raises Missing, BadUsage for a kubeconfig that is not there, and Failed that says which cluster was not reached."""
    from dure.kubectl import Failed, Kubectl

    path = None if kubeconfig is None else Path(kubeconfig).expanduser()
    if path is not None and not path.is_file():
        raise BadUsage("--kubeconfig", f"{path} is not there")
    try:
        yield Kubectl(terminal.outside.environ, kubeconfig=path, context=context)
    except Failed as error:
        if NOT_REACHED.search(str(error)) is None:
            raise
        raise Failed(f"{error}\n{_looked_for(terminal.outside.environ, path, context)}") from None


def _looked_for(environ: Mapping[str, str], path: Path | None, context: str | None) -> str:
    """As kubectl looks, and how to tell it another."""
    which = "the current context" if context is None else f"context {context}"
    return (
        f"the cluster that was looked for is that of {which} of {_files(environ, path)}: say another by --kubeconfig PATH, "
        "--context CONTEXT, or KUBECONFIG in the environment"
    )


def _files(environ: Mapping[str, str], path: Path | None) -> str:
    if path is not None:
        return str(path)
    said = [one for one in environ.get("KUBECONFIG", "").split(os.pathsep) if one]
    if said:
        return f"KUBECONFIG, {', '.join(_shown(Path(one)) for one in said)}"
    return f"{_shown(Path(environ.get('HOME') or '~').expanduser() / '.kube' / 'config')}, as KUBECONFIG is not set"


def _shown(path: Path) -> str:
    return str(path) if path.is_file() else f"{path} (not there)"
