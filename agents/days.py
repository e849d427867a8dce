"""The days by which use is kept apart, as the answers to reports tell them. Times are the allocator's Unix seconds."""

from bisect import bisect_right
from dataclasses import dataclass

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Days:
    """`midnights` are in order. Before the first and after the last of them days have 24 hours, which is near enough: the
    allocator files a day under the date that most of it has. Without any, days are those of UTC.
    """

    midnights: tuple[int, ...] = ()

    def begin(self, at: float) -> int:
        """When the day began in which `at` is."""
        known = self.midnights or (0,)
        found = bisect_right(known, at)
        if 0 < found < len(known):
            return known[found - 1]
        near = known[0] if found == 0 else known[-1]
        return near + int((at - near) // DAY_S) * DAY_S

    def end(self, at: float) -> int:
        """When the day ends in which `at` is."""
        found = bisect_right(self.midnights, at)
        if 0 < found < len(self.midnights):
            return self.midnights[found]
        return self.begin(at) + DAY_S


UTC_DAYS = Days()
