"""`python -m tests.unit.agents.nvml.driven OPTIONS`: runs the NVML driver as it is told, JSON lines in and JSON lines out.

Its monotonic clock stands still until it is told to move.
"""

import ctypes
import dataclasses
import json
import logging
import sys
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from agents.driver import DriverError
from agents.nvml import NvmlDriver


class Driven:
    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._at = 1000.0
        self._driver: NvmlDriver | None = None
        self._waiting: Future[bool] | None = None
        self._logs: list[dict[str, str]] = []
        handler = logging.Handler()
        handler.emit = self._log
        logging.getLogger("agents").addHandler(handler)
        logging.getLogger("agents").setLevel("DEBUG")

    def answer(self, told: dict[str, Any]) -> dict[str, Any]:
        return getattr(self, f"do_{told.pop('do')}")(**told)

    def do_read(self, of: list[str] | None) -> dict[str, Any]:
        try:
            return dataclasses.asdict(self._made().read(processes_of=None if of is None else frozenset(of)))
        except DriverError as error:
            return {"error": str(error)}

    def do_later(self, seconds: float) -> dict[str, Any]:
        self._at += seconds
        return {}

    def do_wait(self, seconds: float) -> dict[str, Any]:
        return {"told": self._made().wait(seconds)}

    def do_wait_apart(self, seconds: float) -> dict[str, Any]:
        self._waiting = ThreadPoolExecutor(1).submit(self._made().wait, seconds)
        return {}

    def do_waited(self) -> dict[str, Any]:
        assert self._waiting is not None
        return {"told": self._waiting.result(60)}

    def do_calls(self, function: str) -> dict[str, Any]:
        count = ctypes.CDLL("libnvidia-ml.so.1").calls_of
        count.restype = ctypes.c_ulonglong
        return {"calls": count(function.encode())}

    def do_logs(self) -> dict[str, Any]:
        found, self._logs = self._logs, []
        return {"logs": found}

    def do_close(self) -> dict[str, Any]:
        self._made().close()
        return {}

    def _made(self) -> NvmlDriver:
        if self._driver is None:
            self._driver = NvmlDriver(**_typed(self._options), monotonic=lambda: self._at, now=lambda: self._at + 1e9)
        return self._driver

    def _log(self, record: logging.LogRecord) -> None:
        self._logs.append(
            {"action": getattr(record, "action", ""), "level": record.levelname, "text": record.getMessage()}
        )


def _typed(options: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(options)
    if "allowed" in found:
        found["allowed"] = frozenset(found["allowed"])
    return found | {name: Path(found[name]) for name in ("proc", "sys") if name in found}


def main() -> None:
    child = Driven(json.loads(sys.argv[1]))
    for line in sys.stdin:
        print(json.dumps(child.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
