"""An ask beside everything that it is decided by: what is asked of the calendar about it, and the numbers that it is told."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from scheduler.core import walk_in, words
from scheduler.core.book import Draft
from scheduler.core.budget import Standing, left, short
from scheduler.core.calendar import Box, Limit, earliest, fits
from scheduler.core.instead import Instead
from scheduler.core.model import Ask, Instant, Shape
from scheduler.core.quota import FOR_EVER, Quota
from scheduler.core.sharing import Turn, beyond

Obstacle = Literal["quota", "budget", "ahead", "share", "walk_in", "spot", "capacity"]
"""What keeps an ask out of its window: GPUs at once, a period's budget, what is booked ahead, its share, the walk-in reserve,
the notice of spot leases, or the pool.
"""

Numbers = dict[str, int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An ask beside what it is decided by; its start is to lie in `[lo, hi]`, and never after `last`, the horizon's or as far ahead as its company may book."""

    draft: Draft
    ask: Ask
    quota: Quota
    now: Instant
    lo: int
    hi: int
    last: int
    at_once: bool
    waited: bool
    box: Box
    turn: Turn | None = None

    @classmethod
    def of(
        cls, draft: Draft, ask: Ask, now: Instant, *, at_once: bool, waited: bool, turn: Turn | None = None
    ) -> "Case":
        quota = draft.quotas.get(ask.company) or Quota(company=ask.company, gpus=0)
        last = now + draft.policy.horizon_s - ask.duration_s
        if quota.furthest_s is not None:
            last = min(last, now + quota.furthest_s)
        exactly_then = last if ask.start is None else ask.start
        hi = min(last, exactly_then if ask.start_by is None else ask.start_by)
        ready = now + ask.notice_s if waited and now + ask.notice_s <= hi else now
        draft.account(ask.company)
        box = Box.of(draft, ask.company, ask.shape, ask.duration_s, soon=walk_in.soon(draft.policy, now))
        return cls(
            draft=draft,
            ask=ask,
            quota=quota,
            now=now,
            lo=ready if ask.start is None else max(ready, ask.start),
            hi=hi,
            last=last,
            at_once=at_once,
            waited=waited,
            box=box,
            turn=turn,
        )

    @property
    def limit_gpus(self) -> int:
        return self.quota.gpus

    def earliest(self, shape: Shape, duration_s: int, lo: int, hi: int) -> Instant | None:
        """The first start of another box in `[lo, hi]` at which calendar and limits hold throughout."""
        box = Box.of(self.draft, self.ask.company, shape, duration_s, soon=self.box.soon)
        return earliest(self.draft, box, lo, hi)

    def may_book(self, shape: Shape, start: int) -> bool:
        """Whether its company may book so much more ahead; what starts as soon as it can is not ahead."""
        limit = self.quota.ahead_gpu_seconds
        soonest = self.now + self.ask.notice_s if self.waited else self.now
        if limit is None or start <= soonest:
            return True
        return self.standing.ahead_gpu_seconds + shape.gpus * self.ask.duration_s <= limit

    def beyond_share(self, gpus: int, start: int, slot: int) -> Instant | None:
        """The first instant at which so many GPUs from `slot` on are above its company's share and not its turn's;
        `start` is the earliest that they could have.
        """
        if self.turn is not None and self.turn.lets(start, start + self.ask.duration_s, self.lo):
            return None
        return beyond(self.draft, self.ask.company, gpus, slot, slot + self.ask.duration_s)

    @property
    def standing(self) -> Standing:
        return self.draft.standing(self.ask.company) or Standing()

    def obstacle(self) -> Obstacle:
        """What would have to change for the ask to have a start in its window: a limit without which it has one, or else one
        that alone leaves it none; capacity where it has none under no limit.
        """
        if self._first(()) is None:
            return "capacity"
        limits = self.box.under
        if len(limits) == 1:
            return limits[0]
        for limit in limits:
            if self._first(self._others(limit)) is not None:
                return limit
        for limit in limits:
            if self._first((limit,)) is None:
                return limit
        return "quota"

    def _others(self, than: Limit) -> tuple[Limit, ...]:
        return tuple(limit for limit in self.box.under if limit != than)

    def _first(self, limits: Collection[Limit]) -> Instant | None:
        """The first start in its window under these limits alone."""
        return earliest(self.draft, self.box.only(limits), self.lo, self.hi)

    def first_without(self, limit: Limit) -> Instant:
        """The first start in its window without a limit that is in its way; where others are too, without these."""
        start = self._first(self._others(limit))
        start = self._first(()) if start is None else start
        assert start is not None
        return start

    def waited_for(self, start: Instant) -> Obstacle:
        """What the second before the earliest start still lacked."""
        soon = self.box.soon
        if soon is not None and start - 1 > soon and fits(self.draft, replace(self.box, soon=None), start - 1):
            return "walk_in"
        if self.left_at(start - 1) < self.ask.shape.gpus:
            return "quota"
        allowed = self.box.windows is None or any(first < start <= last for first, last in self.box.windows)
        if not allowed:
            return "budget"
        return "spot" if self.now < start <= self.draft.soonest(self.now) else "capacity"

    def held_back(self) -> Numbers:
        """What the walk-in reserve keeps it from: the first start that it would have without, and from when that is near."""
        start = self.first_without("walk_in")
        return self.line_at(start) | {"walk_in_from": start - self.draft.policy.walk_in_within_s}

    def line_at(self, start: int) -> Numbers:
        """The walk-in reserve, and how many GPUs are booked ahead where that is most in a box from `start` on."""
        policy, nominal = self.draft.policy, self.draft.nominal
        line = walk_in.line(policy, nominal)
        steps = self.draft.limits.steps(walk_in.AHEAD)
        at, left = walk_in.tightest(steps, start, start + self.ask.duration_s)
        return {
            "walk_in_gpus": nominal - line,
            "walk_in_within_s": policy.walk_in_within_s,
            "ahead_limit_gpus": line,
            "ahead_gpus": line - left,
            "ahead_at": at,
        }

    def _short_of_budget(self, start: int | None) -> Numbers:
        """The first period of which it takes more than is left if it starts then, or else as soon as it could otherwise."""
        start = self.first_without("budget") if start is None else start
        found = short(left(self.quota, self.standing), self.ask.shape.gpus, start, start + self.ask.duration_s)
        assert found is not None
        return _of_period(*found)

    def left_at(self, instant: int) -> int:
        row = self.draft.account(self.ask.company)
        return self.draft.limits.at(row, instant)

    def instead(self) -> Instead:
        return Instead(
            draft=self.draft, ask=self.ask, now=self.now, lo=self.lo, last=self.last, limit_gpus=self.limit_gpus
        )

    def numbers(self, waits_for: Obstacle | None = None, start: int | None = None) -> Numbers:
        """What every verdict says: the ask, the pool, and the company's limit, `held` and `free` as of now. Of a budget that
        it waits for, the period that keeps it from `start`; else the present one.
        """
        budget = self._present_budget() if waits_for != "budget" else self._short_of_budget(start)
        return (
            {
                "asked_gpus": self.ask.shape.gpus,
                "held_gpus": self.limit_gpus - self.left_at(self.now),
                "limit_gpus": self.limit_gpus,
                "free_gpus_now": self.draft.free_at(self.now),
                "pool_gpus": self.draft.nominal,
            }
            | self._standing_numbers()
            | budget
        )

    def out_of_service(self, until: int) -> Numbers:
        """How many GPUs cannot be given at some instant of `[lo, until)`, whoever has booked what, and on which nodes."""
        found = dict(self.draft.out_of_service)
        for drain in self.draft.drains.values():
            if drain.starts_at < until and drain.ends_at > self.lo and drain.node in self.draft.nodes:
                node = self.draft.nodes[drain.node]
                found[node.id] = max(node.nominal, node.capacity)
        if not found:
            return {}
        return {"out_of_service_gpus": sum(found.values()), "out_of_service": words.named(sorted(found))}

    def _standing_numbers(self) -> Numbers:
        """What its company's quota limits beside GPUs at once, and what stands against it."""
        found: Numbers = {}
        if self.quota.furthest_s is not None:
            found["furthest_s"] = self.quota.furthest_s
        if (ahead := self.quota.ahead_gpu_seconds) is not None:
            found |= {"ahead_gpu_seconds": self.standing.ahead_gpu_seconds, "limit_ahead_gpu_seconds": ahead}
        return found

    def _present_budget(self) -> Numbers:
        for begins_at, ends_at, gpu_seconds in left(self.quota, self.standing):
            if begins_at <= self.now < ends_at < FOR_EVER:
                return _of_period(begins_at, ends_at, gpu_seconds)
        return {}


def _of_period(begins_at: int, ends_at: int, gpu_seconds: int) -> Numbers:
    """What is left of it, from when and until when: before the first period there is no begin, and after the last no end."""
    found: Numbers = {"budget_left_gpu_seconds": gpu_seconds}
    if begins_at:
        found["budget_begins"] = begins_at
    if ends_at < FOR_EVER:
        found["budget_ends"] = ends_at
    return found
