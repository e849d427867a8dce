"""dure support-bundle: what whoever helps needs to see, without secrets, in one file."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dure.cli import operators
from dure.cli.command import command
from dure.cli.operators import Context, Kubeconfig
from dure.cli.terminal import BadUsage, Terminal

if TYPE_CHECKING:
    from dure.bundle import File
    from dure.cli.bundled import Found, Look
    from dure.patience import Patience
    from dure.redaction import Redaction


ANONYMOUS = (
    "companies, nodes, machines of processes and the hosts of addresses have other names, and the home folder is ~"
)


def register(app: typer.Typer) -> None:
    """Adds the command to `dure` itself."""
    command(app, "support-bundle")(support_bundle)


def support_bundle(
    terminal: Terminal,
    file: Annotated[
        str | None, typer.Argument(metavar="FILE.tar.gz", help="Where to write it; else dure-support-TIME.tar.gz here.")
    ] = None,
    *,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Of a scheduler's metrics, to be put in too, where you reach them."),
    ] = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    anonymous: Annotated[
        bool,
        typer.Option(
            "--anonymous",
            help="Put other names in the place of companies', nodes' and machines' names, and of the hosts of addresses.",
        ),
    ] = False,
) -> None:
    """Collect what whoever helps needs, without secrets.

    Versions, settings without the token, what doctor finds, pools, nodes, clusters, policy, quotas, leases by id, state and times,
    decisions' codes, the last day's events, violations, and metrics. Tokens, secrets, keys, passwords, what stands behind the ? of
    an address, and what people wrote in their own words are taken out. What could not be had is named in the manifest. Nothing is
    sent anywhere: look into it, then send it yourself.
    """
    from importlib.metadata import version

    from dure import bundle
    from dure.render import bundles as shown

    at = terminal.now.replace(microsecond=0)
    path = Path(file or f"dure-support-{at:%Y%m%dT%H%M%SZ}.tar.gz").expanduser()
    _checked(path)
    wanted = operators.Chosen(kubeconfig=kubeconfig, context=context)
    files = list(_files(terminal, scheduler, wanted, anonymous=anonymous))
    notes = [ANONYMOUS] if anonymous else []
    data = bundle.packed(files, made_at=at, version=version("dure"), notes=notes)
    _write(path, data)
    made = shown.Bundle(
        file=str(path),
        size_bytes=len(data),
        files=[one.name for one in files if one.missing is None],
        missing={one.name: one.missing for one in files if one.missing is not None},
        refused=[one.name for one in files if one.refused],
    )
    terminal.show(made, lambda _: shown.bundle(made))


def _checked(path: Path) -> None:
    """Before anything is asked. Raises BadUsage."""
    if path.exists():
        raise BadUsage("FILE.tar.gz", f"{path} is there already; name another file, or move it away")
    if not path.absolute().parent.is_dir():
        raise BadUsage("FILE.tar.gz", f"{path.parent} is no directory")


def _write(path: Path, data: bytes) -> None:
    """For its owner's eyes, at once or not at all. Raises BadUsage."""
    draft: str | None = None
    try:
        descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.absolute().parent)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(data)
        Path(draft).replace(path)
    except OSError as error:
        if draft is not None:
            Path(draft).unlink(missing_ok=True)
        raise BadUsage("FILE.tar.gz", f"{path} cannot be written: {error.strerror}") from None


def _files(terminal: Terminal, scheduler: str | None, wanted: operators.Chosen, *, anonymous: bool) -> "Iterator[File]":
    """Each look, without what may not leave. Raises ConfigError and DureError where names are to be replaced and cannot be had."""
    from dure.cli import bundled, unnamed
    from dure.cli.doctor import Wanted, examined
    from dure.config import ConfigError
    from dure.patience import Patience

    patience = Patience(bundled.ALL_S, monotonic=terminal.outside.monotonic)
    cluster = Wanted(kubeconfig=wanted.kubeconfig, context=wanted.context)
    looks = [*bundled.here(terminal), bundled.doctor(lambda: examined(terminal, cluster, scheduler))]
    with patience.waiting():
        names = unnamed.names(terminal, scheduler, wanted) if anonymous else {}
    clean = _redaction(terminal, names, anonymous=anonymous)
    try:
        server, _ = terminal.context.required()
    except ConfigError as error:
        yield from _looked(looks, clean, patience)
        yield _missing("api", clean.text(str(error)))
        return
    looks += [*bundled.of_api(terminal), bundled.api_metrics(terminal, server)]
    if scheduler is not None:
        looks.append(bundled.scheduler_metrics(terminal, scheduler))
    yield from _looked(looks, clean, patience)


def _looked(looks: "Iterable[Look]", clean: "Redaction", patience: "Patience") -> "Iterator[File]":
    """What one look raises is that file's, and stops no other; nor does one that takes too long."""
    from dure.bundle import File
    from dure.patience import Late

    for one in looks:
        try:
            found = _in_time(one, patience)
            text = clean.text(found.value) if isinstance(found.value, str) else clean.json(found.value)
            yield File(name=one.name, text=text, notes=found.notes)
        except Late as late:
            yield _missing(one.name, str(late))
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever helps wants to see it
            yield _missing(one.name, clean.text(f"{type(error).__name__}: {error}"), refused=_refuses_the_token(error))


def _in_time(look: "Look", patience: "Patience") -> "Found":
    """Raises Late, and what the look raises."""
    from dure.patience import Late, within

    if patience.is_over:
        raise Late(f"it was not looked at, as all before it took {patience.within_s:.3g} s")
    with patience.waiting():
        return within(min(look.within_s, patience.left_s), look.look)


def _missing(name: str, why: str, *, refused: bool = False) -> "File":
    from dure.bundle import File

    return File(name=name, missing=why, refused=refused)


def _refuses_the_token(error: Exception) -> bool:
    from dure.errors import DureError

    return isinstance(error, DureError) and error.status == 401


def _redaction(terminal: Terminal, names: dict[str, str], *, anonymous: bool) -> "Redaction":
    """Whatever this command was told that may be a secret is one."""
    from dure.redaction import SECRET_KEYS, Redaction

    environ = terminal.outside.environ
    known = {value for name, value in environ.items() if SECRET_KEYS.search(name) and len(value) > 3}
    token = terminal.context.token
    home = str(Path(environ.get("HOME") or "~").expanduser()) if anonymous else None
    return Redaction([*known, *([token] if token else [])], names, anonymous=anonymous, home=home)
