"""What goes into a support bundle: each file from one look, and where that fails, why."""

import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from dure.cli.terminal import Terminal

if TYPE_CHECKING:
    from pydantic import BaseModel

    from dure import wire
    from dure.client import Client

MOST = 1000
"""Of each list; the manifest says where there was more."""

EVENTS_OF = timedelta(hours=24)
EVENTS_READ = 20_000
"""They come oldest first, and the newest are wanted: of a day with more than that the rest is missing."""


PART_S = 60.0
"""So long one file is waited for, however it comes."""
DOCTOR_S = 180.0
"""The same for what doctor finds, which also waits for kubectl."""
ALL_S = 300.0
"""And for all of them together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one file holds: JSON, or text. `within_s` is what it may take."""

    name: str
    look: "Callable[[], Found]"
    within_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    value: Any
    notes: tuple[str, ...] = ()


def here(terminal: Terminal) -> Iterator[Look]:
    """Of this machine and its settings; the API is not asked."""
    yield _look("versions.json", lambda: Found(value=_versions()))
    yield _look("settings.json", lambda: Found(value=_settings(terminal)))


def doctor(examined: "Callable[[], BaseModel]") -> Look:
    return Look(name="doctor.json", look=lambda: Found(value=examined().model_dump()), within_s=DOCTOR_S)


def of_api(terminal: Terminal) -> Iterator[Look]:
    """Of what the API says, in the order in which one reads it."""
    asked: dict[str, Callable[[Client], Found]] = {
        "checkup": lambda client: _one(client.checkup()),
        "openapi": lambda client: Found(value=_openapi(client)),
        "pools": lambda client: _several(client.pools()),
        "nodes": lambda client: _several(client.nodes()),
        "clusters": lambda client: _several(client.clusters()),
        "policy": lambda client: _one(client.policy()),
        "quotas": lambda client: _several(client.all_quotas()),
        "leases": lambda client: _several(client.leases(), _lease),
        "decisions": lambda client: _several(client.leases(), _decision),
        "events": lambda client: _events(terminal, client),
        "violations": lambda client: _several(client.violations(open=True)),
    }
    for name, ask in asked.items():
        yield _look(f"{name}.json", _by_its_own_client(terminal, ask))


def api_metrics(terminal: Terminal, address: str) -> Look:
    from dure import scrape

    return _look("metrics-api.txt", lambda: Found(value=scrape.scrape(address, terminal.outside.transport)))


def scheduler_metrics(terminal: Terminal, address: str) -> Look:
    from dure import scrape

    return _look("metrics-scheduler.txt", lambda: Found(value=scrape.scheduler(address, terminal.outside.transport)))


def _look(name: str, look: "Callable[[], Found]") -> Look:
    return Look(name=name, look=look, within_s=PART_S)


def _by_its_own_client(terminal: Terminal, ask: "Callable[[Client], Found]") -> "Callable[[], Found]":
    """What is late still has its client when the next is asked."""

    def look() -> Found:
        with terminal.client(retries=1) as client:
            return ask(client)

    return look


def _one(found: "BaseModel") -> Found:
    return Found(value=json.loads(found.model_dump_json()))


def _several(found: "Iterable[Any]", said: "Callable[[Any], Any] | None" = None) -> Found:
    """The first of them, as `said` puts them, else as they are."""
    items = list(islice(found, MOST + 1))
    notes = (f"the first {MOST}; there are more",) if len(items) > MOST else ()
    value = [said(one) if said else json.loads(one.model_dump_json()) for one in items[:MOST]]
    return Found(value=value, notes=notes)


def _lease(found: "wire.Lease") -> dict[str, Any]:
    """Its id, state and times: not what it is called, or what for."""
    said = json.loads(found.model_dump_json())
    kept = ("id", "company", "pool", "state", "tier", "purpose", "end_cause", "late_cause", "late_start_s", "degraded")
    times = {name: value for name, value in said.items() if name.endswith(("_at", "_start")) or name == "start_by"}
    return {name: said[name] for name in kept if name in said} | {"gpus": found.shape.total} | times


def _decision(found: "wire.Lease") -> dict[str, Any]:
    """The newest about the lease, by its code."""
    one = found.decision
    at = one.at.isoformat().replace("+00:00", "Z")
    return {"id": one.id, "lease": found.id, "at": at, "outcome": str(one.outcome), "code": one.code}


def _events(terminal: Terminal, client: "Client") -> Found:
    since = (terminal.now - EVENTS_OF).replace(microsecond=0)
    read = list(islice(client.events(since=since), EVENTS_READ))
    notes = [f"the last {MOST} of {len(read)}"] if len(read) > MOST else []
    notes += [f"only the first {EVENTS_READ} of the day were read"] if len(read) == EVENTS_READ else []
    return Found(value=[json.loads(one.model_dump_json()) for one in read[-MOST:]], notes=tuple(notes))


def _openapi(client: "Client") -> dict[str, Any]:
    """Which version it is, and which addresses there are: the rest is in the code of that version."""
    found = client.openapi()
    of = found.get("info", {}).get("version")
    return {"openapi": found.get("openapi"), "version": of, "paths": sorted(found.get("paths", {}))}


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    packages = {name: version(name) for name in ("dure", "pydantic", "httpx", "typer", "rich", "pyyaml")}
    return {**packages, "python": platform.python_version(), "system": platform.platform()}


def _settings(terminal: Terminal) -> dict[str, Any]:
    """Where each setting comes from; of a token only whether there is one."""
    found = terminal.context
    return {
        "config": str(found.path),
        "config_is_there": found.path.is_file(),
        "server": found.server,
        "zone": found.zone.key,
        "has_a_token": found.token is not None,
        "from_a_file": found.token_path is not None,
        "environment": sorted(name for name in terminal.outside.environ if name.startswith("DURE_")),
        "columns": terminal.outside.environ.get("COLUMNS"),
        "encoding": os.environ.get("LANG"),
    }
