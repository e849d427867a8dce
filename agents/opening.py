"""Opens a driver with a limit of time: what is missing on the node is an error at once, and a call that hangs holds up nobody."""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

OPEN_S = 3.0
"""So long an agent waits for its driver before it goes on without it."""


def within(seconds: float, open_: Callable[[], None]) -> None:
    """Opens on a thread of its own. Raises what that raised by then; later than that it is for who uses the driver to find out."""
    ended: SimpleQueue[Exception | None] = SimpleQueue()

    def opened() -> None:
        try:
            open_()
        except Exception as error:  # noqa: BLE001 - it is raised on the other thread
            ended.put(error)
        else:
            ended.put(None)

    threading.Thread(target=opened, name="opening", daemon=True).start()
    try:
        error = ended.get(timeout=seconds)
    except Empty:
        return
    if error is not None:
        raise error
