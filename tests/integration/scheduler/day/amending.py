"""What companies do with what they have: give it back, make it longer, shorter, larger or smaller, and let it renew itself."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from dure import wire
from scheduler.core.model import State
from tests.integration.scheduler.day.asking import Asking
from tests.integration.scheduler.day.machine import CRASH, PICK


class Amending(Asking):
    """What is done to leases."""

    @rule(pick=PICK, crash=CRASH)
    def stop(self, pick: int, crash: int | None) -> None:
        """Releases what runs, and cancels what waits."""
        if (lease := self.held(pick)) is not None:
            runs = self.states.states.get(lease.id) is State.ACTIVE
            self.stop_lease(lease, "release" if runs else "cancel", crash)

    @rule(pick=PICK, by_s=st.sampled_from([1, 20, 80, 300, None]), partly=st.booleans(), crash=CRASH)
    def extend(self, pick: int, by_s: int | None, partly: bool, crash: int | None) -> None:
        said = {"longest": True} if by_s is None else {"by_s": by_s, "partly": partly}
        if (lease := self.held(pick)) is not None:
            self.do("extend", lambda: self.world.extend(lease, now=self.now, **said), crash)

    @rule(pick=PICK, by_s=st.integers(1, 80), crash=CRASH)
    def shorten(self, pick: int, by_s: int, crash: int | None) -> None:
        if (lease := self.held(pick)) is not None:
            self.do("shorten", lambda: self.world.shrink(lease, now=self.now, by_s=by_s), crash)

    @rule(pick=PICK, gpus=st.integers(1, 12), crash=CRASH)
    def resize(self, pick: int, gpus: int, crash: int | None) -> None:
        if (lease := self.held(pick)) is not None:
            self._resize("resize", lease, gpus, crash)

    @rule(who=PICK, gpus=st.integers(2, 6), to=st.lists(st.integers(1, 12), min_size=1, max_size=3), crash=CRASH)
    def a_lease_breathes(self, who: int, gpus: int, to: list[int], crash: int | None) -> None:
        """One for inference gets larger and smaller while it runs."""
        self.asks("breathes", who, gpus, 150, None, purpose="inference", min=1, notice_s=0)
        self.pass_time(1)
        for size in to:
            self._resize("breathe", self.asked[-1], size, crash)
            self.pass_time(5)

    def _resize(self, what: str, lease: wire.Lease, gpus: int, crash: int | None) -> None:
        self.do(what, lambda: self.world.resize(lease, now=self.now, gpus=gpus), crash)

    @rule(pick=PICK, renew=st.booleans(), crash=CRASH)
    def set_renewal(self, pick: int, renew: bool, crash: int | None) -> None:
        if (lease := self.held(pick)) is not None:
            self.do("renewal", lambda: self.world.set_renewal(lease, now=self.now, renew=renew), crash)

    @rule(who=PICK, gpus=st.integers(1, 6), crash=CRASH)
    def a_lease_renews_itself(self, who: int, gpus: int, crash: int | None) -> None:
        self.asks("renews", who, gpus, 60, None, purpose="inference", renew=True, notice_s=0)
        self.pass_time(1)
        self.pass_time(40, crash)
        self.pass_time(5)
