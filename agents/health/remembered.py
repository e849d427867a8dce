"""What is remembered of sick GPUs when the agent is gone: a small file in the folder that outlives it.

It is written and looked at on a thread of its own, since a disk can hang and the sampler may not; it is read once, at the start. A folder that cannot be used is said once, and
the agent goes on without.
"""

import json
import logging
import os
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from agents.health.judging import Finding, State
from agents.health.signs import Counters
from agents.snapshot import HEALTHS

log = logging.getLogger(__name__)

VERSION = 1
FILE = "health.json"
FORGET = "forget"
"""The folder whose entries are named after GPUs of which somebody said that they are well."""

States = Mapping[str, State]


class Memory(Protocol):
    def load(self) -> tuple[str | None, States]:
        """The host's boot at which it was kept, and what was. Raises nothing."""
        ...

    def keep(self, boot: str | None, states: States) -> None:
        """Waits for nothing."""
        ...

    def forgotten(self) -> Collection[str]:
        """GPUs of which somebody said since that they are well; each once, and soon after. Waits for nothing."""
        ...


class Nowhere:
    """For an agent without a folder: what it knows is lost with it."""

    def load(self) -> tuple[str | None, States]:
        return None, {}

    def keep(self, boot: str | None, states: States) -> None:
        pass

    def forgotten(self) -> Collection[str]:
        return ()


class Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / FILE
        self._lock = threading.Lock()
        self._next: tuple[str | None, States] | None = None
        self._worker: threading.Thread | None = None
        self._is_to_look = False
        self._found: list[str] = []
        self._heeded: list[str] = []
        self._over: list[str] = []
        self._left: set[str] = set()
        self._is_failing = False

    def load(self) -> tuple[str | None, States]:
        self._look()
        try:
            found = json.loads(self._path.read_text("utf-8"))
            return _loaded(found)
        except FileNotFoundError:
            return None, {}
        except OSError as error:
            self._failed(error)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            self._put_aside(error)
        return None, {}

    def keep(self, boot: str | None, states: States) -> None:
        with self._lock:
            self._next = (boot, states)
            self._wake()

    def forgotten(self) -> Collection[str]:
        """What the look before this one found; each call asks for the next. A word is taken off the disk with the call after the
        one that gave it: by then what follows from it is kept, and no end of the agent loses it.
        """
        with self._lock:
            self._over += self._heeded
            self._heeded, self._found = self._found, []
            self._is_to_look = True
            self._wake()
            return tuple(self._heeded)

    def flush(self) -> None:
        """Waits until everything that was to be kept is, or failed, and until it was looked."""
        while (worker := self._worker) is not None:
            worker.join()

    def _wake(self) -> None:
        if self._worker is None:
            self._worker = threading.Thread(target=self._work, name="health", daemon=True)
            self._worker.start()

    def _work(self) -> None:
        """Does what there is to do, and ends."""
        while True:
            with self._lock:
                taken, self._next = self._next, None
                looks, self._is_to_look = self._is_to_look, False
                if taken is None and not looks:
                    self._worker = None
                    return
            try:
                if taken is not None:
                    self._write(*taken)
                if looks:
                    self._take_away()
                    self._look()
            except Exception:
                # Else this thread would end as if it ran on, and nothing would be kept until the agent is started anew.
                if not self._is_failing:
                    sentence = "what is wrong with GPUs was not kept, so a restart of the agent forgets it"
                    log.exception(sentence, extra={"action": "health.not_kept", "path": str(self._path)})
                self._is_failing = True

    def _take_away(self) -> None:
        """What cannot be taken away is not heeded again."""
        with self._lock:
            over, self._over = self._over, []
        for name in over:
            try:
                (self._folder / FORGET / name).unlink()
            except FileNotFoundError:
                pass
            except OSError:
                self._left.add(name)

    def _look(self) -> None:
        with suppress(OSError):
            names = {path.name for path in (self._folder / FORGET).iterdir() if path.is_file()}
            with self._lock:
                known = {*self._found, *self._heeded, *self._over, *self._left}
                self._found += sorted(names - known)

    def _write(self, boot: str | None, states: States) -> None:
        gpus = {gpu: asdict(state) for gpu, state in states.items()}
        text = json.dumps({"version": VERSION, "boot": boot, "gpus": gpus}, default=sorted)
        beside = self._path.with_suffix(".new")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with beside.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            self._failed(error)
            return
        self._is_failing = False

    def _failed(self, error: OSError) -> None:
        if not self._is_failing:
            sentence = "%s cannot be used, so a restart of the agent forgets which GPUs are sick: %s"
            log.error(sentence, self._path, error, extra={"action": "health.not_kept", "path": str(self._path)})
        self._is_failing = True

    def _put_aside(self, error: Exception) -> None:
        aside = self._path.with_suffix(".damaged")
        with suppress(OSError):
            self._path.replace(aside)
        sentence = "%s is damaged, so what it knew of sick GPUs is lost; look at %s: %r"
        log.error(sentence, self._path, aside, error, extra={"action": "health.damaged", "path": str(self._path)})


def known(folder: Path) -> Collection[str]:
    """The GPUs of which an agent remembers something. Raises ValueError for a file that cannot be read as that."""
    try:
        return _loaded(json.loads((folder / FILE).read_text("utf-8")))[1].keys()
    except FileNotFoundError:
        return ()


def is_uuid(gpu: str) -> bool:
    """Whether a GPU may be called so, and a file as well."""
    return bool(gpu) and not gpu.startswith(".") and "/" not in gpu


def ask_to_forget(folder: Path, gpu: str) -> None:
    """Leaves word for the agent that this GPU is well. Raises OSError, and ValueError for what cannot be a GPU's name."""
    if not is_uuid(gpu):
        raise ValueError(f"{gpu!r} is not the UUID of a GPU")
    (folder / FORGET).mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / FORGET / gpu).touch()


def _loaded(found: Any) -> tuple[str | None, States]:
    if found["version"] != VERSION:
        raise ValueError(f"version {found['version']!r} is not known here")
    boot = found["boot"]
    if not (boot is None or isinstance(boot, str)):
        raise ValueError("boot is no text")
    return boot, {gpu: _state(entry) for gpu, entry in found["gpus"].items()}


def _state(entry: Any) -> State:
    if entry["health"] not in HEALTHS:
        raise ValueError(f"health {entry['health']!r}")
    counters: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in entry["counters"].items()
    }
    return State(
        counters=Counters(**counters),
        findings=tuple(_finding(one) for one in entry["findings"]),
        falls=tuple(float(at) for at in entry["falls"]),
        health=entry["health"],
    )


def _finding(entry: Any) -> Finding:
    numbers: dict[str, Any] = {
        name: None if entry[name] is None else float(entry[name]) for name in ("clean_at", "clean_wall")
    }
    pids = None if entry["pids"] is None else frozenset(int(pid) for pid in entry["pids"])
    one = Finding(**{**entry, **numbers, "pids": pids, "at": float(entry["at"]), "since": float(entry["since"])})
    if not isinstance(one.key, str) or not isinstance(one.detail, str | None) or not isinstance(one.boot, str | None):
        raise ValueError(f"finding {one.key!r}")
    return one
