"""Companies ask: for now, for a time, for inference, for spot; two at once for the same time; and are preempted."""

from typing import Any

from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import rule

from dure import wire
from scheduler.core.model import State
from tests.integration.scheduler.day.limits import NEAR_S
from tests.integration.scheduler.day.machine import CRASH, PICK, Day, wire_time

GPUS = st.integers(1, 10)
LENGTHS = st.sampled_from([20, 60, 150, 600])


class Asking(Day):
    """What is asked for."""

    @rule(
        who=PICK,
        gpus=GPUS,
        duration_s=LENGTHS,
        ahead_s=st.sampled_from([None, 5, 90, 400]),
        notice_s=st.sampled_from([0, 20, 900]),
        window_s=st.sampled_from([None, 0, 60]),
        queue=st.sampled_from([True, True, False]),
        crash=CRASH,
    )
    def ask(
        self,
        who: int,
        gpus: int,
        duration_s: int,
        ahead_s: int | None,
        notice_s: int,
        window_s: int | None,
        queue: bool,
        crash: int | None,
    ) -> None:
        said: dict[str, Any] = {} if ahead_s is None else {"start": wire_time(self.now + ahead_s)}
        if window_s is not None:
            said["start_by"] = wire_time(self.now + (ahead_s or 0) + window_s)
        self.asks("ask", who, gpus, duration_s, crash, notice_s=notice_s, queue=queue, **said)

    @rule(who=PICK, per_node=st.integers(1, 8), duration_s=LENGTHS, crash=CRASH)
    def ask_for_a_gang(self, who: int, per_node: int, duration_s: int, crash: int | None) -> None:
        self.asks("gang", who, 0, duration_s, crash, shape={"nodes": 2, "gpus_per_node": per_node})

    @rule(
        who=PICK,
        gpus=st.integers(2, 8),
        least=st.integers(1, 8),
        renew=st.booleans(),
        duration_s=st.sampled_from([60, 150]),
        crash=CRASH,
    )
    def ask_for_inference(
        self, who: int, gpus: int, least: int, renew: bool, duration_s: int, crash: int | None
    ) -> None:
        said = {"purpose": "inference", "renew": renew, "min": min(gpus, least), "notice_s": 0}
        self.asks("inference", who, gpus, duration_s, crash, **said)

    @rule(gpus=st.integers(3, 8), ahead_s=st.sampled_from([NEAR_S, 90, 120]), crash=CRASH)
    def everybody_books_the_same_time(self, gpus: int, ahead_s: int, crash: int | None) -> None:
        for who in range(len(self.companies)):
            self.asks("same time", who, gpus, 20, crash, start=wire_time(self.now + ahead_s))

    @rule(
        who=PICK,
        gpus=st.integers(1, 16),
        duration_s=st.sampled_from([20, 150, 600]),
        notice_s=st.sampled_from([0, 20, 60]),
        or_spot=st.booleans(),
        crash=CRASH,
    )
    def ask_for_spot(
        self, who: int, gpus: int, duration_s: int, notice_s: int, or_spot: bool, crash: int | None
    ) -> None:
        said = {"or_spot": True} if or_spot else {"tier": "spot"}
        self.asks("spot", who, gpus, duration_s, crash, notice_s=notice_s, **said)

    @rule(who=PICK, gpus=st.integers(8, 16), notice_s=st.sampled_from([0, 20, 30]), crash=CRASH)
    def spot_is_preempted(self, who: int, gpus: int, notice_s: int, crash: int | None) -> None:
        """All that is idle is taken for spot, and then somebody asks for it."""
        for size in (16, 8, 4, 1):
            self.asks("fill", who + 1, size, 600, None, tier="spot", notice_s=notice_s)
        self.pass_time(1)
        self.asks("preempt", who, gpus, 60, crash, notice_s=0)
        self.pass_time(60)

    @rule(who=PICK, gpus=st.integers(1, 6), late_s=st.integers(0, 5), stops=st.booleans())
    def a_lease_is_lived(self, who: int, gpus: int, late_s: int, stops: bool) -> None:
        """Asked for, started when the loop comes to it, and over, early or at its end."""
        self.asks("lived", who, gpus, 20, None, notice_s=0)
        self.pass_time(late_s)
        if stops:
            self.stop_lease(self.asked[-1], "release", None)
        self.pass_time(20)

    def asks(self, what: str, who: int, gpus: int, duration_s: int, crash: int | None, **said: Any) -> None:
        """Every second lease computes, by its number."""

        def work() -> None:
            lease = self.world.ask(gpus, who=self.who(who), now=self.now, duration_s=duration_s, **said)
            self.asked.append(lease)
            if len(self.asked) % 2:
                self.used.add(lease.id)
            event(f"{what}: {lease.decision.code}")

        self.do(what, work, crash)

    def held(self, pick: int) -> wire.Lease | None:
        """One that is promised or runs; where there is none, one that is asked for now, if that is granted."""
        states = State.ACTIVE, State.SCHEDULED
        if not any(self.states.states.get(lease.id) in states for lease in self.asked):
            self.asks("wanted", pick, 1 + pick % 4, 150, None, notice_s=0, purpose="inference", min=1)
            self.pass_time(1)
            self.all_holds()
        return self.lease(pick, *states)

    def stop_lease(self, lease: wire.Lease, what: str, crash: int | None) -> None:
        """`release` or `cancel` of it."""
        self.states.wished.add((lease.id, {"release": "released", "cancel": "cancelled"}[what]))
        self.do(what, lambda: getattr(self.world, what)(lease, now=self.now), crash)
