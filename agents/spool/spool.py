"""What the allocator was not told yet, kept through outages of the allocator and deaths of the agent.

Two things are kept: the running totals of this agent process, and of those before it that had not told them all (they are
`earlier`); and events, until they are taken. What is told is asked for by the reporter, in memory; only the spool's own
thread touches the disk, so that one that hangs keeps nobody else waiting. Without a folder, or while it cannot be
written, all of it is kept in memory as far as it fits.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from agents.events import Event
from agents.spool.disk import Disk
from agents.spool.folder import FolderInUse, claim
from agents.spool.untold import Untold
from agents.totals import Use

log = logging.getLogger(__name__)

LOOK_S = 1.0

RETRY_S = 10.0
"""A folder that cannot be used is tried again so often."""


class Spool:
    """`folder` is None for memory alone; `totals` says the totals of this process, which is `boot`. What is untold is `untold`.

    Raises FolderInUse where another agent has the folder.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        boot: str,
        totals: Callable[[], list[Use]],
        mib: int = 50,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._boot = boot
        self._totals = totals
        self._most_bytes = mib << 20
        self._monotonic = monotonic
        # An agent that lost its folder still counts up: ids begin at the time, in milliseconds.
        self.untold = Untold(max(0, int(now() * 1000)))
        self._claim: int | None = None
        self._disk: Disk | None = None
        self._is_loaded = False
        self._retry_at = 0.0
        self._wake = threading.Event()
        self._said_dropped = False
        self.trouble: str | None = None
        """Why the folder cannot be used; None if it can, or if there is none."""
        self.dropped = 0
        """Events that nobody will be told of, because there was no room for them."""
        if folder is None:
            sentence = "what is not told yet is lost with this agent: set DURE_AGENT_STATE to a folder of its own"
            log.warning(sentence, extra={"action": "spool.none"})
        else:
            self._open(folder, first=True)

    def record(self, event: Event) -> None:
        """Keeps an event until it is taken. From any thread; it waits for no disk."""
        self._say_dropped(self.untold.add(event))
        self._wake.set()

    def wake(self) -> None:
        """There is something new, or it is time to stop."""
        self._wake.set()

    @property
    def bytes(self) -> int | None:
        """How much room it takes in its folder, which is never less than it fills; None without one, or where it cannot be used."""
        return None if self._disk is None else self._disk.size

    @property
    def waiting(self) -> int:
        """Events that are not taken, as far as it is known."""
        disk = self._disk
        return len(self.untold.incoming) + (0 if disk is None else disk.waiting)

    def run(self, stop: threading.Event) -> None:
        """Keeps up with what there is until `stop` is set; `wake` it then."""
        while not stop.is_set():
            self.step()
            self._wake.wait(LOOK_S)
            self._wake.clear()

    def step(self) -> None:
        """Writes down what is not on disk yet."""
        if self._folder is None:
            return
        if self._disk is None and self._monotonic() >= self._retry_at:
            self._open(self._folder)
        self._write(self._totals())

    def close(self, untold: list[Use]) -> None:
        """Leaves to the next process the totals that it has to tell. Call it once no thread runs `run` any more."""
        self._write(untold, last=True)
        self._give_up_disk()
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None

    def _write(self, totals: list[Use], *, last: bool = False) -> None:
        if self._disk is None:
            return
        try:
            dropped = self._disk.write(self.untold, totals, now=self._monotonic(), last=last)
        except OSError as error:
            self._failed(error)
        else:
            self._say_dropped(dropped)

    def _open(self, folder: Path, *, first: bool = False) -> None:
        try:
            if self._claim is None:
                self._claim = claim(folder)
            self._disk = disk = Disk(folder, boot=self._boot, most_bytes=self._most_bytes)
            disk.load(self.untold, anew=self._is_loaded)
        except OSError as error:
            if first and isinstance(error, FolderInUse):
                raise
            self._failed(error)
            return
        self._is_loaded = True
        self._say_damaged(folder, disk.damaged)
        if self.trouble is not None:
            log.info("the state folder is used again", extra={"action": "spool.recovered"})
        self.trouble = None

    def _failed(self, error: OSError) -> None:
        why = error.strerror or str(error)
        if self.trouble is None:
            log.error(
                "the state folder %s cannot be used (%s): what is not told yet is kept in memory alone. Make it a folder that "
                "this agent may write, with room; it is tried again by itself",
                self._folder,
                why,
                extra={"action": "spool.failed"},
            )
        self.trouble = why
        self._retry_at = self._monotonic() + RETRY_S
        self._give_up_disk()

    def _give_up_disk(self) -> None:
        if self._disk is not None:
            self._disk.close()
            self._disk = None

    def _say_damaged(self, folder: Path, count: int) -> None:
        if count:
            sentence = "%d entries in the state folder %s are damaged and are passed over; what is whole is used"
            log.warning(sentence, count, folder, extra={"action": "spool.damaged", "count": count})

    def _say_dropped(self, count: int) -> None:
        """Once, until there was room for a while."""
        self.dropped += count
        if count and not self._said_dropped:
            sentence = (
                "there is no more room for events, and the oldest are dropped: give more with DURE_AGENT_SPOOL_MIB, or see why "
                "reports are not taken"
            )
            log.error(sentence, extra={"action": "spool.dropped"})
        self._said_dropped = bool(count) or (self._said_dropped and self.waiting > 0)
