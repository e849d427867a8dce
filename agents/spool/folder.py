"""The folder in which an agent keeps what outlives it, for one agent at a time."""

import fcntl
import os
from pathlib import Path


class FolderInUse(OSError):
    """Another agent has it; the text says what to do."""


def claim(folder: Path) -> int:
    """Makes the folder if there is none, and takes it until the process ends. Returns the descriptor that holds it. Raises
    FolderInUse, OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise FolderInUse(
            f"another agent uses the state folder {folder}: stop it, or give this one a DURE_AGENT_STATE of its own"
        ) from None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
