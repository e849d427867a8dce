"""What goes wrong, and what operators do: time passes, the clock steps back, nodes get sick and well, and are drained."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from dure import wire
from scheduler import maintenance
from scheduler.store import fleet
from tests.integration.scheduler.conftest import ADMIN
from tests.integration.scheduler.day.attending import Attending
from tests.integration.scheduler.day.machine import CRASH, DAY_S, NODES, wire_time

NODE = st.sampled_from(NODES)


class Failing(Attending):
    """What befalls everybody."""

    @rule(seconds=st.sampled_from([1, 3, 20, 60, 200, DAY_S, 3 * DAY_S]), crash=CRASH)
    def time_passes(self, seconds: int, crash: int | None) -> None:
        self.pass_time(seconds, crash)

    @rule()
    def the_clock_steps_back(self) -> None:
        self.world.turn(self.now - 30)

    @rule(node=NODE, gpus=st.sampled_from([0, 5, 8, 8]), health=st.sampled_from(["ok", "unhealthy"]), crash=CRASH)
    def a_node_reports(self, node: str, gpus: int, health: str, crash: int | None) -> None:
        """So many GPUs, all well or all sick; it stays so."""
        self.health[node] = gpus, health
        self.silent.discard(node)
        self.do("report", lambda: self.report(node), crash)

    @rule(node=NODE, waits_s=st.sampled_from([None, 40, 100]), restarted=st.booleans(), crash=CRASH)
    def a_node_falls_silent(self, node: str, waits_s: int | None, restarted: bool, crash: int | None) -> None:
        """Until it reports again, which may be soon; its machine may have been restarted then."""

        def work() -> None:
            with self.world.db.begin() as session:
                fleet.set_silent(session, node, now=self.now)

        if self.do("silent", work, crash):
            self.silent.add(node)
        self.boots[node] += restarted
        if waits_s is not None:
            self.pass_time(waits_s)
            self.a_node_reports(node, 8, "ok", None)

    @rule(
        node=NODE,
        gpus=st.sampled_from([0, 4, 7]),
        waits_s=st.sampled_from([1, 40]),
        in_a_term=st.booleans(),
        crash=CRASH,
    )
    def a_node_is_lost_for_a_while(
        self, node: str, gpus: int, waits_s: int, in_a_term: bool, crash: int | None
    ) -> None:
        """With something promised on it, at the end of a term perhaps, and something that runs."""
        term = {"gpu_seconds": 9000, "period": "term", "since_s": 0, "until_s": 110}
        self.set_quota(0, {"gpus": 16}, 0, None)
        self.set_quota(1, {"gpus": 16, "budget": term if in_a_term else None}, 0, None)
        self.asks("runs on it", 0, 8, 150, None, notice_s=0)
        self.asks("waits for it", 1, 8, 60, None, start=wire_time(self.now + 50))
        self.pass_time(1)
        self.a_node_reports(node, gpus, "ok", crash)
        self.pass_time(waits_s)
        self.pass_time(50)
        self.a_node_reports(node, 8, "ok", None)

    @rule(
        node=NODE,
        ahead_s=st.sampled_from([None, 20, 100]),
        duration_s=st.sampled_from([50, 300, DAY_S]),
        resumes_s=st.sampled_from([None, 0, 1, 40]),
        crash=CRASH,
    )
    def drain(self, node: str, ahead_s: int | None, duration_s: int, resumes_s: int | None, crash: int | None) -> None:
        start = None if ahead_s is None else wire_time(self.now + ahead_s)
        body = wire.DrainNode(start=start, duration_s=duration_s, reason=None)

        def work() -> None:
            with self.world.db.begin() as session:
                maintenance.drain(self.world.service, session, node, body, actor=ADMIN, now=self.now)

        if self.do("drain", work, crash):
            self.drained.add(node)
        if resumes_s is not None:
            self.pass_time(resumes_s)
            self.resume(node, crash)

    @rule(node=NODE, crash=CRASH)
    def resume(self, node: str, crash: int | None) -> None:
        def work() -> None:
            with self.world.db.begin() as session:
                maintenance.resume(self.world.service, session, node, actor=ADMIN, now=self.now)

        if node in self.drained and self.do("resume", work, crash):
            self.drained.discard(node)
