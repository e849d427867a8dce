"""The rule of late slots told plainly: one number of free processors a second, and loops over them.

It shares no code with the core, so that the two can disagree. For jobs that run for a second or longer, of which no two are
submitted at one instant.
"""

from collections.abc import Sequence

from bench.replay.swf import Job

END = 4000
"""Later than anything ends."""


class LateSlots:
    """One second after the other; boxes are what was asked for."""

    def __init__(self, jobs: Sequence[Job], processors: int, slack_ppm: int) -> None:
        self.jobs, self.slack_ppm = jobs, slack_ppm
        self.free = [processors] * END
        self.slots: dict[int, int] = {}
        self.starts: dict[int, int] = {}
        self.promised: dict[int, int] = {}

    def run(self) -> list[int]:
        """When each job starts."""
        now = 0
        while len(self.starts) < len(self.jobs):
            happens = self.ends(now)
            for job in range(len(self.jobs)):
                if self.jobs[job].submit == now:
                    self.quote(job, now)
                    happens = True
            if happens or now in self.slots.values():
                self.go(now)
            self.start(now)
            now += 1
        return [self.starts[job] for job in range(len(self.jobs))]

    def ends(self, now: int) -> bool:
        """Whether something ended."""
        ended = [job for job, at in self.starts.items() if at + self.jobs[job].run_s == now]
        for job in ended:
            self.change(job, now, self.starts[job] + self.jobs[job].asked_s, 1)
        return bool(ended)

    def quote(self, job: int, now: int) -> None:
        earliest = next(at for at in range(now, END) if self.fits(job, at))
        self.promised[job] = earliest + self.slack_ppm * self.jobs[job].asked_s // 1_000_000
        self.take(job, next(at for at in range(self.promised[job], earliest - 1, -1) if self.fits(job, at)))

    def go(self, now: int) -> None:
        for job in sorted(self.slots.keys() - self.starts.keys()):
            old = self.slots[job]
            if old > now:
                self.change(job, old, old + self.jobs[job].asked_s, 1)
                self.take(job, now if self.fits(job, now) else old)

    def start(self, now: int) -> None:
        for job in self.slots.keys() - self.starts.keys():
            if self.slots[job] == now:
                assert now <= self.promised[job]
                self.starts[job] = now

    def take(self, job: int, at: int) -> None:
        self.slots[job] = at
        self.change(job, at, at + self.jobs[job].asked_s, -1)

    def change(self, job: int, start: int, end: int, sign: int) -> None:
        for second in range(start, end):
            self.free[second] += sign * self.jobs[job].processors

    def fits(self, job: int, at: int) -> bool:
        wanted = self.jobs[job]
        return all(self.free[second] >= wanted.processors for second in range(at, at + wanted.asked_s))
