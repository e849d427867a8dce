"""What is said at the start of each cluster that the scheduler is told of: whether it enforces leases, and else why not."""

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Any

from deploy.local.cli import Dure
from deploy.local.commands import Ended

SCHEDULERS, APIS = "DURE_SCHEDULER_CLUSTERS", "DURE_API_CLUSTERS"
IN_CLUSTER = "in-cluster"

SETTLED_S = 6.0
"""Until then each that can be reached has answered; of the others it is known why not."""

LOOK_S = 0.5


def said(dure: Dure, environ: Mapping[str, str], ending: Event, *, began: float) -> list[str]:
    """A sentence a cluster; none where the settings name none. `began` is when the scheduler did: what was heard before is of
    another run. Raises CannotStart, Ended.
    """
    told, keyed = _named(environ.get(SCHEDULERS, "")), _named(environ.get(APIS, ""))
    if not told and not keyed:
        return []
    found = _settled(lambda: dure("clusters")["items"], set(told), began, ending) if told else {}
    return [
        *(f"{name}: {_stands(name, found.get(name), began)}{_keys(name, keyed)}" for name in told),
        *(f"{name}: leases are NOT enforced: {SCHEDULERS} does not name it" for name in keyed if name not in told),
    ]


def _named(setting: str) -> dict[str, str]:
    """What is said of each cluster by its name, as far as it is said: the processes themselves refuse what is not well formed."""
    parts = [part.strip().partition("=") for part in setting.split(",") if part.strip()]
    return {name: where for name, _, where in parts}


def _settled(look: Callable[[], Iterable[Any]], names: set[str], began: float, ending: Event) -> dict[str, Any]:
    """What is known of each by its name: as soon as all have answered since `began`, or after `SETTLED_S`."""
    until = time.monotonic() + SETTLED_S
    while True:
        found = {one["name"]: one for one in look()}
        fresh = {name for name, one in found.items() if _heard_at(one) >= began}
        if names <= fresh or time.monotonic() > until:
            return found
        if ending.wait(LOOK_S):
            raise Ended


def _heard_at(found: Any) -> float:
    return datetime.fromisoformat(found["heard_at"]).timestamp() if found["heard_at"] else 0.0


def _stands(name: str, found: Any, began: float) -> str:
    """What an earlier run heard of it is no answer."""
    trouble = found and found["trouble"]
    why = str(trouble or "it has not answered yet").removeprefix(f"cluster {name}: ")
    if found is None or _heard_at(found) < began:
        return f"leases are NOT enforced: {why} (`dure clusters` says when they are)"
    if trouble:
        return f"Kubernetes {found['version']} answers, and something is wrong with it: {why}"
    return f"Kubernetes {found['version']} answers, and enforces the leases of the pools that name it"


def _keys(name: str, keyed: Mapping[str, str]) -> str:
    """What keeps the API from making keys to it, as far as its setting shows it."""
    if name not in keyed:
        return f"; no keys to it are made: {APIS} does not name it"
    path = keyed[name].partition("#")[0]
    if path != IN_CLUSTER and not Path(path).is_file():
        return f"; no keys to it are made: {APIS} names {path}, which is no file"
    return ""
