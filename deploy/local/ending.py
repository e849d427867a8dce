"""Ending a process that may not be our child: one signal after another until it is gone."""

import contextlib
import signal
import time
from collections.abc import Sequence

import psutil

Stops = Sequence[tuple[signal.Signals, float]]
"""Signals in order, each with the seconds it may take."""

LOOK_S = 0.02


def end(process: psutil.Process, stops: Stops) -> bool:
    """True once it is gone; false when no signal helped, or it is not ours to signal."""
    for how, seconds in stops:
        try:
            process.send_signal(how)
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:
            return False
        if _gone_within(process, seconds):
            return True
    return False


def _gone_within(process: psutil.Process, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_alive(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_S)
    return True


def is_alive(process: psutil.Process) -> bool:
    """False for a zombie too, which has ended, whoever should have asked about it: once the last of its threads has, which still
    held its ports.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and (process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1)
    return False
