"""The rules told plainly: a list of what is taken from when to when, and loops over it.

Shares no code with the core, so that the two can disagree. At one instant what ends comes first; then the first ask is
quoted, and once everybody is looked at; then the other asks in turn, each quoted and started if it fits; then the starts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bench.replay.swf import Job

PPM = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a replay is played by. `reserve_ppm` of the machine is closed to boxes over `reserve_over_s`."""

    rule: str = "late-slots"
    slack_ppm: int = 0
    reserve_ppm: int = 0
    reserve_over_s: int = 0
    seniority_s: int | None = None


@dataclass(slots=True)
class Wish:
    """One job on its way: where its box stands, and what it was promised."""

    job: Job
    box_s: int
    slot: int = -1
    promised: int = -1
    started: bool = False
    ended_at: int | None = None

    @property
    def until(self) -> int:
        """When its processors are free again, as far as anybody knows."""
        return self.slot + self.box_s if self.ended_at is None else self.ended_at


@dataclass(slots=True)
class Plain:
    """One replay by the rules; after `run`, the wishes say when each job started and what it was promised."""

    jobs: Sequence[Job]
    processors: int
    rules: Rules
    wishes: list[Wish] = field(default_factory=list[Wish])

    def run(self) -> list[Wish]:
        now, come = 0, 0
        while come < len(self.jobs) or any(wish.ended_at is None for wish in self.wishes):
            now = self.next_event(now, come)
            self.ends(now)
            asks = [job for job in self.jobs[come:] if job.submit == now]
            come += len(asks)
            for job in asks[:1]:
                self.quote(job, now)
            self.go(now)
            for job in asks[1:]:
                self.quote(job, now)
                self.start_if_fits(self.wishes[-1:], now)
            self.starts(now)
        return self.wishes

    def next_event(self, now: int, come: int) -> int:
        """The next submission, end or slot, which may be at this very instant."""
        left = [wish for wish in self.wishes if wish.ended_at is None]
        found = [wish.slot + wish.job.run_s if wish.started else wish.slot for wish in left]
        return max(now, min([*found, *(job.submit for job in self.jobs[come : come + 1])]))

    def ends(self, now: int) -> None:
        for wish in self.wishes:
            if wish.started and wish.ended_at is None and wish.slot + wish.job.run_s <= now:
                wish.ended_at = now

    def quote(self, job: Job, now: int) -> None:
        new = Wish(job=job, box_s=job.asked_s)
        earliest = next(at for at in self.corners(now, new.box_s) if self.fits(new, at))
        new.promised = new.slot = earliest
        if self.rules.rule == "late-slots":
            new.promised += self.rules.slack_ppm * new.box_s // PPM
            allowed = [at for at in [*self.corners(now, new.box_s), new.promised] if earliest <= at <= new.promised]
            new.slot = max(at for at in allowed if self.fits(new, at))
        self.wishes.append(new)

    def go(self, now: int) -> None:
        waiting = [wish for wish in self.wishes if not wish.started and wish.slot > now]
        if self.rules.rule == "only-earlier":
            self.pull(waiting, now)
        if self.rules.rule != "late-slots":
            return
        if self.rules.seniority_s is not None:
            self.pull([wish for wish in waiting if now - wish.job.submit > self.rules.seniority_s], now)
        self.start_if_fits(sorted(waiting, key=lambda wish: self.turn(wish, now)), now)

    def turn(self, wish: Wish, now: int) -> tuple[int, int]:
        """Who takes more quarters of the machine first, then who has waited longest for the length of its box."""
        stretched_ppm = (now - wish.job.submit + wish.box_s) * PPM // wish.box_s
        return -(4 * wish.job.processors // self.processors), -stretched_ppm

    def start_if_fits(self, wishes: Iterable[Wish], now: int) -> None:
        for wish in wishes:
            if wish.slot > now and self.fits(wish, now):
                wish.slot = now

    def pull(self, wishes: Iterable[Wish], now: int) -> None:
        """Each in turn to the earliest slot that it can have."""
        for wish in wishes:
            wish.slot = min(
                [wish.slot, *(at for at in self.corners(now, wish.box_s) if at < wish.slot and self.fits(wish, at))]
            )

    def starts(self, now: int) -> None:
        for wish in self.wishes:
            if not wish.started and wish.slot == now:
                assert now <= wish.promised
                if wish.job.submit == now:  # it is told so at once
                    wish.promised = now
                wish.started = True

    def corners(self, now: int, box_s: int) -> list[int]:
        """The only starts from now on at which something begins or ceases to fit, one side of a box or the other."""
        edges = [edge for wish in self.wishes for edge in (wish.until, wish.slot - box_s)]
        return sorted({now, *(edge for edge in edges if edge > now)})

    def fits(self, wish: Wish, start: int) -> bool:
        """Beside everything else in the book, and beside the other long boxes in what the reserve leaves them."""
        others = [other for other in self.wishes if other is not wish]
        if self.is_held_to_reserve(wish):
            long = [other for other in others if self.is_held_to_reserve(other)]
            if _most_used(long, start, start + wish.box_s) + wish.job.processors > self.unreserved():
                return False
        return _most_used(others, start, start + wish.box_s) + wish.job.processors <= self.processors

    def is_held_to_reserve(self, wish: Wish) -> bool:
        long = self.rules.reserve_ppm > 0 and wish.box_s > self.rules.reserve_over_s
        return long and wish.job.processors <= self.unreserved()

    def unreserved(self) -> int:
        return self.processors * (PPM - self.rules.reserve_ppm) // PPM


def _most_used(wishes: Sequence[Wish], start: int, end: int) -> int:
    """The most that these take together at any instant of `[start, end)`: it is where one of them begins."""
    beside = [wish for wish in wishes if wish.slot < end and wish.until > start]
    instants = {max(start, wish.slot) for wish in beside}
    return max(
        (sum(wish.job.processors for wish in beside if wish.slot <= at < wish.until) for at in instants), default=0
    )
