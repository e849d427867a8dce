"""A GPU that is not cut: what is asked with every reading, and what seldom."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pynvml

from agents.nvml import condition, gpm, readings
from agents.nvml.asking import Asking
from agents.nvml.condition import Condition
from agents.nvml.gpm import Gpm


class Whole:
    """`values` are the fields of its snapshot that were read, `trouble` the first error that a healthy GPU does not give."""

    def __init__(self, handle: Any, identity: Mapping[str, Any], absent: Mapping[str, str]) -> None:
        self.ask = Asking(absent)
        self.values = dict(identity)
        self.trouble: str | None = None
        self._condition = Condition()
        self._asked_at: float | None = None
        self._lasting_trouble: str | None = None
        self._gpm = Gpm(partial(pynvml.nvmlGpmSampleGet, handle)) if gpm.supported(self.ask, handle) else None

    def read(self, handle: Any, now: float) -> None:
        self.ask.begin()
        if self._asked_at is None or now - self._asked_at >= condition.EVERY_S:
            self._condition.read_into(self.values, self.ask, handle)
            self._asked_at, self._lasting_trouble = now, self.ask.trouble
        readings.read_into(self.values, self.ask, handle, self._gpm, now)
        self.trouble = self.ask.trouble or self._lasting_trouble

    def close(self) -> None:
        """Gives back what the driver keeps for it."""
        if self._gpm is not None:
            self._gpm.close()
