"""A whole physical GPU: what is asked with every reading, and what seldom. Where it is cut, its instances tell the rest."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pynvml

from agents.nvml import condition, failures, gpm, readings
from agents.nvml.asking import Asking
from agents.nvml.condition import Condition
from agents.nvml.gpm import Gpm

OF_INSTANCES = (*gpm.FIELDS, "memory_total_bytes", "memory_used_bytes", "processes")
"""What is told of each instance, and not of the GPU that is cut into them."""


class Whole:
    """`values` are the fields of its snapshot that were read, `trouble` the first error that a healthy GPU does not give.

    Of one that `is_cut` nothing is asked that its instances tell.
    """

    def __init__(
        self, handle: Any, identity: Mapping[str, Any], absent: Mapping[str, str], *, is_cut: bool = False
    ) -> None:
        self.ask = Asking({**absent, **dict.fromkeys(OF_INSTANCES, failures.OF_MIG)} if is_cut else absent)
        self._is_cut = is_cut
        self.values = dict(identity)
        self.trouble: str | None = None
        self._condition = Condition()
        self._asked_at: float | None = None
        self._lasting_trouble: str | None = None
        has_gpm = not is_cut and gpm.supported(self.ask, handle)
        self._gpm = Gpm(partial(pynvml.nvmlGpmSampleGet, handle)) if has_gpm else None

    def read(self, handle: Any, now: float) -> None:
        self.ask.begin()
        if self._asked_at is None or now - self._asked_at >= condition.EVERY_S:
            self._condition.read_into(self.values, self.ask, handle)
            self._asked_at, self._lasting_trouble = now, self.ask.trouble
        if self._is_cut:
            readings.shared_into(self.values, self.ask, handle)
        else:
            readings.read_into(self.values, self.ask, handle, self._gpm, now)
        self.trouble = self.ask.trouble or self._lasting_trouble

    def close(self) -> None:
        """Gives back what the driver keeps for it."""
        if self._gpm is not None:
            self._gpm.close()
