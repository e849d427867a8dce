"""What libraries, warnings and exceptions say in a process of ours: programs that make them say it, after `begin`."""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Python that makes a process say one line, and what of that line is known; `status` is the process's own."""

    program: str
    line: dict[str, Any]
    status: int = 0
    exception: str | None = field(default=None)
    """How the traceback ends, where there is one."""


SAID = {
    "a library warns": Said(
        program="import logging; logging.getLogger('uvicorn.error').warning('Invalid %s\\nreceived.', 'request')",
        line={
            "action": "library",
            "logger": "uvicorn.error",
            "event": "Invalid request\nreceived.",
            "level": "warning",
        },
    ),
    "a library tells an exception": Said(
        program="import logging\ntry: 1 / 0\nexcept ZeroDivisionError: logging.getLogger('apscheduler').exception('a job')",
        line={"action": "library", "logger": "apscheduler", "event": "a job", "level": "error"},
        exception="ZeroDivisionError: division by zero",
    ),
    "a library has fields of its own": Said(
        program="import logging; logging.getLogger('x').error('no', extra={'action': 'mine', 'event': 'e', 'odd': {1}})",
        line={"action": "library", "logger": "x", "event": "no"},
    ),
    "a library's words do not fit": Said(
        program="import logging; logging.getLogger('x').error('%d of it', 'all')",
        line={"action": "library", "logger": "x", "event": "a line cannot be written: '%d of it'", "level": "error"},
        exception="TypeError: %d format: a real number is required, not str",
    ),
    "a library's logger passes nothing on": Said(
        program="import logging; x = logging.getLogger('x'); x.propagate = False; x.warning('alone')",
        line={"action": "library", "logger": "x", "event": "alone"},
    ),
    "a letter that stderr may not have": Said(
        program="import logging; logging.getLogger('x').error('\\u00e9 \\ud800')",
        line={"action": "library", "event": "\u00e9 \ud800"},
    ),
    "a module of dure": Said(
        program="import logging; logging.getLogger('dure.probes').error('no', extra={'action': 'probe.failed', 'path': '/'})",
        line={"action": "probe.failed", "logger": "dure.probes", "event": "no", "path": "/", "level": "error"},
    ),
    "a warning": Said(
        program="import warnings; warnings.warn('it will go', RuntimeWarning)",
        line={"action": "library", "logger": "py.warnings", "level": "warning"},
    ),
    "a task that nobody waits for": Said(
        program=(
            "import asyncio, gc\nasync def fails(): raise LookupError('gone')\n"
            "async def main():\n    one = asyncio.create_task(fails()); await asyncio.wait([one]); del one; gc.collect()\n"
            "asyncio.run(main())"
        ),
        line={"action": "library", "logger": "asyncio", "level": "error"},
        exception="LookupError: gone",
    ),
    "nobody catches it": Said(
        program="def deep(): raise LookupError('gone')\ndeep()",
        line={"action": "uncaught", "in_thread": "main", "level": "critical"},
        status=1,
        exception="LookupError: gone",
    ),
    "somebody presses Ctrl-C": Said(
        program="import os, signal, time; signal.signal(signal.SIGINT, signal.default_int_handler); os.kill(os.getpid(), signal.SIGINT); time.sleep(60)",
        line={"action": "interrupted", "level": "warning"},
        status=-signal.SIGINT,
    ),
    "nobody catches it in a thread": Said(
        program=(
            "import threading\ndef fails(): raise LookupError('gone')\n"
            "one = threading.Thread(target=fails, name='feed'); one.start(); one.join()"
        ),
        line={"action": "uncaught", "in_thread": "feed", "level": "critical"},
        exception="LookupError: gone",
    ),
    "it cannot be raised": Said(
        program="class Odd:\n    def __del__(self): raise LookupError('gone')\none = Odd()\ndel one",
        line={"action": "uncaught", "in_thread": "MainThread", "level": "critical"},
        exception="LookupError: gone",
    ),
    "it comes up as the process ends": Said(
        program="import atexit\ndef fails(): raise LookupError('gone')\natexit.register(fails)",
        line={"action": "uncaught", "level": "critical"},
        exception="LookupError: gone",
    ),
    "a thread ends itself": Said(
        program=(
            "import logging, sys, threading\none = threading.Thread(target=sys.exit); one.start(); one.join()\n"
            "logging.getLogger('x').error('the only line')"
        ),
        line={"action": "library", "event": "the only line"},
    ),
}


LOST = {
    "a disk is full": "exec 2>/dev/full",
    "a file is at its limit": "ulimit -f 0; exec 2>lost",
    "nobody reads": "exec 2> >(exec true); wait $!",
    "it is closed": "exec 2>&-",
}
"""How a process comes to a stderr that takes nothing, in bash."""


def check_lost(begin: str, says: str, lost: str, folder: Path) -> None:
    """That a process which begins its log so goes on behind what it says, a library and an exception too."""
    program = (
        f"{begin}\nfor _ in range(2_000):\n    {says}\n"
        "import logging; logging.getLogger('x').error('a library')\n"
        "import threading; one = threading.Thread(target=lambda: 1 / 0); one.start(); one.join()\n"
        "import os; os.write(1, b'on')"
    )
    done = subprocess.run(
        ["bash", "-c", f'{lost}; exec "$@"', "bash", sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        cwd=folder,
        env={"PYTHONPATH": str(Path(__file__).parents[1])},
        check=False,
    )
    assert done.stdout == b"on"


def check(begin: str, said: Said) -> None:
    """That a process which begins its log so says it in one line, which is JSON whatever the encoding of its stderr."""
    done = subprocess.run(
        [sys.executable, "-c", f"{begin}\n{said.program}"],
        capture_output=True,
        text=True,
        encoding="latin-1",
        env={"PYTHONIOENCODING": "latin-1"},
        check=False,
    )
    assert done.returncode == said.status, done.stderr
    [line] = done.stderr.splitlines()
    found = json.loads(line)
    assert {name: found.get(name) for name in said.line} == said.line
    assert "timestamp" in found
    assert ("exception" in found) == (said.exception is not None)
    assert found.get("exception", "").endswith(said.exception or "")
