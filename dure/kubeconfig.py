"""Kubeconfig files: entries of ours are put into one beside what is there, at once or not at all."""

import base64
import contextlib
import os
import tempfile
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from dure import wire

Config = dict[str, Any]

EXEC_VERSION = "client.authentication.k8s.io/v1"
NAMED = ("clusters", "users", "contexts")


class Unusable(Exception):
    """The file is not one that can be merged into; it is left as it is. The text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """How kubectl gets a key whenever it needs one: a command of ours with these words."""

    command: str
    words: Sequence[str]
    environ: Mapping[str, str]


def name(access: wire.KubeAccess) -> str:
    """Of the context and the user: of one lease, or of a company in one cluster."""
    return f"dure-{access.lease}" if access.lease is not None else f"dure-{access.company}-{access.cluster}"


def config(access: wire.KubeAccess, key: Plugin | str) -> Config:
    """A whole kubeconfig; `key` is a plugin, or a token that is written into it."""
    cluster: Config = {"server": access.server}
    if access.certificate_authority is not None:
        authority = base64.b64encode(access.certificate_authority.encode()).decode()
        cluster["certificate-authority-data"] = authority
    at, who = f"dure-{access.cluster}", name(access)
    context = {"cluster": at, "user": who, "namespace": access.namespace}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": at, "cluster": cluster}],
        "users": [{"name": who, "user": {"token": key} if isinstance(key, str) else {"exec": _exec(key)}}],
        "contexts": [{"name": who, "context": context}],
        "current-context": who,
    }


def _exec(plugin: Plugin) -> Config:
    return {
        "apiVersion": EXEC_VERSION,
        "command": plugin.command,
        "args": list(plugin.words),
        "env": [{"name": name, "value": value} for name, value in plugin.environ.items()] or None,
        "interactiveMode": "Never",
        "provideClusterInfo": False,
        "installHint": "This kubeconfig gets its keys from the command dure: pip install dure",
    }


def merged(there: Config, ours: Config) -> Config:
    """Ours beside what is there; entries of the same name are ours, and its current context stays."""
    found = {**there}
    for kind in NAMED:
        mine = {one["name"] for one in ours[kind]}
        others = cast("list[Config]", there.get(kind) or [])
        found[kind] = [one for one in others if one["name"] not in mine] + ours[kind]
    found["current-context"] = there.get("current-context") or ours["current-context"]
    return {"apiVersion": "v1", "kind": "Config", **found}


def read(path: Path) -> Config:
    """What is in the file; an empty one where there is none. Raises Unusable."""
    try:
        found: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Unusable(f"{path} cannot be read as a kubeconfig: {' '.join(str(error).split())}") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Unusable(f"{path} is no kubeconfig: it is a {type(found).__name__}, not a mapping")
    return _checked(path, cast(Config, found))


def _checked(path: Path, found: Config) -> Config:
    if found.get("kind", "Config") != "Config":
        raise Unusable(f"{path} is no kubeconfig: its kind is {found['kind']}")
    for kind in NAMED:
        entries: object = found.get(kind) or []
        if not isinstance(entries, list) or not all(_is_named(one) for one in cast("list[object]", entries)):
            raise Unusable(f"{path} is no kubeconfig: {kind} is no list of named entries")
    return found


def _is_named(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(cast(Config, entry).get("name"), str)


def write(path: Path, ours: Config, *, merge: bool) -> None:
    """Mode 600, and at once: who reads it meanwhile reads the one before. Raises Unusable; then nothing is written.

    Without `merge` a file with anything else in it than entries of the same names is not replaced.
    """
    target = path.resolve()
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(target):
            there = read(target)
            if not merge and not _is_ours(there, ours):
                raise Unusable(
                    f"{path} has other entries: --merge keeps them and puts this one beside; or name another file"
                )
            _replace(target, yaml.safe_dump(merged(there, ours) if merge else ours, sort_keys=False))
    except OSError as error:
        raise Unusable(f"{path} cannot be written: {error.strerror or error}") from None


def _is_ours(there: Config, ours: Config) -> bool:
    return _names(there) <= _names(ours)


def _names(found: Config) -> set[str]:
    return {str(one["name"]) for kind in NAMED for one in cast("list[Config]", found.get(kind) or [])}


@contextlib.contextmanager
def _alone(target: Path) -> Generator[None]:
    """Under the lock file that kubectl takes too."""
    lock = target.with_name(f"{target.name}.lock")
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise Unusable(f"{lock} is there: another program is writing {target}; if none is, remove it") from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _replace(target: Path, text: str) -> None:
    descriptor, draft = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        read(Path(draft))
        Path(draft).replace(target)
    finally:
        Path(draft).unlink(missing_ok=True)
