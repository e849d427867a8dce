"""What companies do not do with what they have: nothing runs on it, or hardly anything; it is kept, or given back."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from scheduler import keeping
from tests.integration.scheduler.conftest import company
from tests.integration.scheduler.day.machine import CRASH, PICK
from tests.integration.scheduler.day.ruling import Ruling


class Attending(Ruling):
    """What is not used."""

    @rule(who=PICK, gpus=st.integers(1, 6), keeps=st.integers(0, 3), crash=CRASH)
    def nobody_shows(self, who: int, gpus: int, keeps: int, crash: int | None) -> None:
        """Nothing runs on a lease, which is warned about, kept perhaps, and given back."""
        self.change_policy(no_show_after_s=60, keeps=2)
        self._unused("no show", who, gpus, 600, "training")
        for _ in range(keeps):
            self.pass_time(30)
            self._keep(crash)
        self.pass_time(30)
        self.pass_time(30)
        self.pass_time(30, crash)

    @rule(
        who=PICK,
        gpus=st.integers(1, 4),
        keeps=st.booleans(),
        purpose=st.sampled_from(["training", "inference"]),
        crash=CRASH,
    )
    def a_lease_idles(self, who: int, gpus: int, keeps: bool, purpose: str, crash: int | None) -> None:
        """Its GPUs do hardly anything."""
        self.change_policy(idle_after_s=1200, inference_idle_after_s=1200, no_show_after_s=None)
        self._unused("idle", who, gpus, 3600, purpose)
        for _ in range(3):
            self.pass_time(300)
        if keeps:
            self._keep(crash)
        for _ in range(2):
            self.pass_time(300)

    def _unused(self, what: str, who: int, gpus: int, duration_s: int, purpose: str) -> None:
        self.set_quota(who, {"gpus": 16}, 0, None)
        self.asks(what, who, gpus, duration_s, None, notice_s=0, purpose=purpose)
        self.used.discard(self.asked[-1].id)
        self.pass_time(0)

    def _keep(self, crash: int | None) -> None:
        lease = self.asked[-1]

        def work() -> None:
            with self.world.db.begin() as session:
                keeping.keep(self.world.service, session, lease.id, actor=company(lease.company), now=self.now)

        self.do("keep", work, crash)
