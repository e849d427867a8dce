"""Load over time with the shape of real readings: spells of work and pauses, and memory that moves in plateaus.

Curves are made from `curves.json`, which holds statistics of real readings and says whose. The same seed gives the same
curve; nothing here reads a clock.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

FILE = Path(__file__).with_name("curves.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    utilization_percent: int
    memory_ratio: float


IDLE = Load(utilization_percent=0, memory_ratio=0.0)

Kind = Literal["any", "hot", "bursty", "steady", "full", "none"]
"""What workloads do: one of the shapes of real readings, any of them, all that a GPU can, or nothing but hold memory."""

FLAT: Mapping[str, Load] = {
    "full": Load(utilization_percent=100, memory_ratio=0.9),
    "none": Load(utilization_percent=0, memory_ratio=0.1),
}


@dataclass(frozen=True, slots=True)
class Flat:
    """A workload that does the same all the time."""

    load: Load

    def at(self, seconds: float) -> Load:
        return self.load


def of(kind: Kind, seed: str) -> "Curve | Flat":
    """The load of one workload."""
    if kind in FLAT:
        return Flat(FLAT[kind])
    return Curve(seed, None if kind == "any" else kind)


class Curve:
    """One workload's load. It is asked forwards only, as a running workload is."""

    def __init__(self, seed: str, shape: str | None = None) -> None:
        """Of this shape, or of one that the seed draws."""
        self._random = random.Random(seed)
        data = _data()
        drawn = self._random.choice(sorted(data["shapes"]))
        self.shape = shape or drawn
        self._deciles: Mapping[str, Sequence[float]] = data["shapes"][self.shape]
        self._step_s = float(data["step_s"])
        self._step = -1
        self._busy = False
        self._spell_left = 0
        self._memory_left = 0
        self._memory = 0.0
        self._load = IDLE

    def at(self, seconds: float) -> Load:
        """The load `seconds` after the workload began; an earlier time than the last one asked gives that one's."""
        while self._step < int(seconds / self._step_s):
            self._advance()
        return self._load

    def _advance(self) -> None:
        self._step += 1
        if self._spell_left == 0:
            self._busy = not self._busy
            self._spell_left = self._steps("busy_steps" if self._busy else "idle_steps")
        if self._memory_left == 0:
            self._memory = self._draw("memory_ratio")
            self._memory_left = self._steps("memory_steps")
        self._spell_left -= 1
        self._memory_left -= 1
        percent = round(self._draw("busy_percent")) if self._busy else 0
        self._load = Load(utilization_percent=percent, memory_ratio=self._memory)

    def _steps(self, quantity: str) -> int:
        return max(1, round(self._draw(quantity)))

    def _draw(self, quantity: str) -> float:
        """A value as likely as in the readings: a point drawn on the line through the deciles."""
        deciles = self._deciles[quantity]
        whole, part = divmod(self._random.random() * (len(deciles) - 1), 1)
        low, high = deciles[int(whole)], deciles[int(whole) + 1]
        return low + (high - low) * part


@cache
def _data() -> Mapping[str, Any]:
    return json.loads(FILE.read_text(encoding="utf-8"))
