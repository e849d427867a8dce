"""Where a command meets the person: their flags and context, the client, and the two ways to answer, table or JSON.

Everything outside the process that a command touches comes in as one `Outside`, so that tests give their own. Heavy
modules (pydantic, httpx, rich) are imported where they are used: help must start at once.
"""

import os
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

import typer

from dure import times
from dure.render.harmless import harmless, harmless_json

if TYPE_CHECKING:
    import httpx
    from pydantic import BaseModel
    from rich.console import Console, RenderableType

    from dure import wire
    from dure.client import Client
    from dure.config import Context, Flags
    from dure.patience import Patience
    from dure.render.view import View

T = TypeVar("T", bound="BaseModel")

JUST_NOW = timedelta(minutes=1)
"""A start no longer ago than this meant now; one further back is more likely a mistake."""

LOOKED_FOR_S = 10.0
"""So long in all a command that looks whether Dure is well waits for the API."""

WIDTH_OF_A_PIPE = 160
"""Columns where nobody looks: wide enough that no cell is broken."""


class BadUsage(Exception):
    """What was said on the command line is wrong: the option or argument, and the sentence for the person."""

    def __init__(self, option: str, detail: str) -> None:
        self.option = option
        self.detail = detail
        super().__init__(f"{option}: {detail}")


def is_screen(stream: IO[str]) -> bool:
    """Whether a person looks at it."""
    return stream.isatty()


def _now() -> datetime:
    return datetime.now(UTC)


def _certificate(server: str) -> datetime:
    from dure import certificates

    return certificates.ends_at(server)


class BadFile(Exception):
    """A file says what it cannot: each mistake with where it is, for example `policy.yaml:4`."""

    def __init__(self, mistakes: Sequence[tuple[str, str]]) -> None:
        self.mistakes = mistakes
        super().__init__("; ".join(f"{where}: {message}" for where, message in mistakes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The world around a command. `sleep` takes seconds; a `transport` stands in for the network, and `certificate` says when that
    of an https address ends.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    now: Callable[[], datetime] = _now
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    transport: "httpx.BaseTransport | None" = None
    certificate: Callable[[str], datetime] = _certificate


@dataclass(kw_only=True)
class Terminal:
    """One command's terminal. Time is read once, when the command begins; only a watch reads it again."""

    outside: Outside
    flags: "Flags"

    @cached_property
    def context(self) -> "Context":
        """Raises ConfigError."""
        from dure import config

        return config.load(self.flags, self.outside.environ)

    @cached_property
    def now(self) -> datetime:
        return self.outside.now()

    @property
    def token_path(self) -> Path | None:
        """The file that this command's own token comes from."""
        return self.context.token_path

    def needs_why(self, example: str, *, kept_in: str = "the audit log") -> None:
        """Raises BadUsage where nobody said why it is done."""
        if not self.flags.why:
            raise BadUsage("--why", f'say why: it stays in {kept_in}; for example --why "{example}"')

    @cached_property
    def patience(self) -> "Patience":
        """Of this command, if it only looks."""
        from dure.patience import Patience

        return Patience(LOOKED_FOR_S, monotonic=self.outside.monotonic)

    def client(self, *, retries: int = 4, patience: "Patience | None" = None) -> "Client":
        """To be used in a `with`. Raises ConfigError where server or token is missing."""
        from dure.client import Client

        server, token = self.context.required()
        why, outside = self.flags.why, self.outside
        return Client(
            server,
            token,
            retries=retries,
            transport=outside.transport,
            sleep=outside.sleep,
            why=why,
            patience=patience,
        )

    def looking(self) -> "Client":
        """The same for who asks whether all is well, and wants to know soon when it is not: nothing is repeated, and all of the
        command's requests together have `LOOKED_FOR_S`.
        """
        return self.client(retries=0, patience=self.patience)

    def instant(self, option: str, text: str | None) -> datetime | None:
        """A person's time, in UTC. Raises BadUsage that names the option."""
        if text is None:
            return None
        try:
            return times.parse_instant(text, now=self.now, zone=self.context.zone)
        except times.TimeError as error:
            raise BadUsage(option, str(error)) from None

    def start(self, option: str, text: str | None, what: str) -> datetime | None:
        """The same for something that begins then; None from now on. What has just passed would be past when it arrives, so
        it is `what` that is asked for instead, which is said.
        """
        found = self.instant(option, text)
        if found is None or not self.now - JUST_NOW <= found <= self.now:
            return found
        if text is not None and text.strip().lower() != "now":
            self.note(f"{option} {text} is not later than now: asking for {what}")
        return None

    def show(self, value: "BaseModel", table: Callable[["View"], "RenderableType"]) -> None:
        """The answer on stdout: the wire type as JSON with --json, else as people read it."""
        if self.flags.json:
            self.show_json(value)
        else:
            console = self.console()
            view = self.looked_at(console, self.now)
            with console.capture() as captured:
                # What is too wide for any screen is not cut: the terminal breaks it.
                console.print(table(view), crop=False)
            typer.echo("\n".join(line.rstrip() for line in captured.get().splitlines()), color=True)

    def show_all(
        self, items: Iterable[T], page: "type[wire.Page[T]]", table: Callable[[list[T], "View"], "RenderableType"]
    ) -> None:
        """A list: as JSON one page that holds all that was asked for."""
        found = list(items)
        self.show(page(items=found), lambda view: table(found, view))

    def show_json(self, value: "BaseModel") -> None:
        typer.echo(harmless_json(value.model_dump_json()))

    def show_line(self, text: str) -> None:
        """One of several lines on stdout, as people read it."""
        typer.echo(harmless(text))

    def show_text(self, text: str) -> None:
        """What is for other programs as it is, with its own line ends; to a screen as text alone."""
        typer.echo((harmless(text) if is_screen(sys.stdout) else text).encode(), nl=False)

    def note(self, text: str) -> None:
        """A sentence beside the answer, on stderr; on a screen its lines are broken between words."""
        text = harmless(text)
        if not is_screen(sys.stderr):
            typer.echo(text, err=True)
            return
        indent = " " * (len(text) - len(text.lstrip()))
        width = self._columns() or shutil.get_terminal_size().columns
        wrapped = textwrap.wrap(
            text, max(20, width), subsequent_indent=f"{indent}  ", break_long_words=False, break_on_hyphens=False
        )
        typer.echo("\n".join(wrapped), err=True)

    def view(self, now: datetime) -> "View":
        """How the person looks at `now`."""
        from dure.render.view import View

        return View(now=now, zone=self.context.zone)

    def console(self) -> "Console":
        """Of stdout; where nobody looks, wide enough that no cell is broken."""
        from dure.cli.screen import Screen

        width = self._columns() or (None if is_screen(sys.stdout) else WIDTH_OF_A_PIPE)
        return Screen(file=sys.stdout, width=width, markup=False, highlight=False, emoji=False)

    def looked_at(self, console: "Console", now: datetime) -> "View":
        """How the person looks at what this console shows at `now`."""
        from dure.render.view import View

        plain = not console.encoding.startswith("utf")
        return View(now=now, zone=self.context.zone, width=console.width, plain=plain)

    def _columns(self) -> int | None:
        """The width that the environment says, where it says one."""
        said = self.outside.environ.get("COLUMNS", "")
        return int(said) if said.isdecimal() and int(said) > 0 else None
