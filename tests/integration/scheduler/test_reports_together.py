"""Reports that are taken in together: changes that build on each other, two replicas, and what is written of it all."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from sqlalchemy import event, text

from dure import wire
from dure.errors import DureError, GpuClaimed, InvalidRequest, SecondAgent, StaleReport, UnknownNode
from scheduler.core.reported import Report
from scheduler.newest import Newest
from scheduler.store import gpus, intake, node_events, nodes, pools
from scheduler.store.intake import Arrived, ChangesFleet, Taken
from tests.integration.scheduler.conftest import ADMIN, PRODUCT, T0, World

GPUS = 8
MIB = 1 << 20


class Replica:
    """A process that takes in reports: what it remembers, and what it wrote."""

    def __init__(self, world: World) -> None:
        self.world, self.newest = world, Newest()

    def take(self, batch: Sequence[tuple[str, Report]], *, now: float = T0, alone: bool = False) -> list[Any]:
        arrived = [Arrived(node=node, report=report) for node, report in batch]
        with self.world.db.begin() as session:
            work = intake.take_changes if alone else intake.take_all
            found = work(session, arrived, self.newest, now=now)
        for (node, _), one in zip(batch, found, strict=True):
            if isinstance(one, Taken) and one.known is not None:
                self.newest.remember(node, one.known)
        return [one.answer if isinstance(one, Taken) else one for one in found]

    def one(self, node: str, report: Report, *, now: float = T0, alone: bool = False) -> Any:
        [found] = self.take([(node, report)], now=now, alone=alone)
        return found


def whole(node: str = "n1", *, seq: int = 1, gpus_: int = GPUS, boot: str = "b1", **more: Any) -> Report:
    base = {"product": PRODUCT, "health": "ok", "memory_used_bytes": 0, "processes": 0}
    readings = [{**base, "uuid": f"GPU-{node}-{k}", "index": k, **more.pop(f"gpu{k}", {})} for k in range(gpus_)]
    said = {"version": 2, "boot": boot, "seq": seq, "sent_at": T0, "interval_s": 2, "agent_version": "1"}
    return msgspec.convert({**said, "gpus": readings, **more}, Report)


def change(node: str = "n1", *, seq: int, base: int, boot: str = "b1", gpu: int = 0, **more: Any) -> Report:
    of_report = {
        name: more.pop(name) for name in ("usage", "events", "earlier", "knew_ended", "unproved") if name in more
    }
    changed = [{"uuid": f"GPU-{node}-{gpu}", **more}] if more else []
    return whole(node, seq=seq, boot=boot, gpus_=0, base=base, changed=changed, **of_report)


@pytest.fixture
def replica(world: World) -> Replica:
    return Replica(world)


def _node(world: World, name: str = "n1") -> wire.Node:
    with world.db.snapshot() as session:
        return nodes.get(session, name, now=T0)


def _events(world: World, node: str = "n1", *, after: str | None = None, limit: int = 50) -> wire.Page[wire.KeptEvent]:
    with world.db.snapshot() as session:
        return node_events.page(session, node, after=after, limit=limit)


def _scalar(world: World, query: str) -> Any:
    with world.db.snapshot() as session:
        return session.connection().execute(text(query)).scalar_one()


def xid(number: int, *, at: float = T0, **detail: Any) -> dict[str, Any]:
    return {"id": number, "at": at, "kind": "xid", "gpu": "GPU-n1-0", "detail": detail}


def test_many_reports_are_one_transaction_of_as_many_statements_as_one(world: World) -> None:
    """On a replica that knows the nodes, and on one that does not."""
    replica = Replica(world)

    def statements(count: int, seq: int) -> int:
        seen: list[str] = []
        engine = world.db._engine

        def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
            seen.append(statement)

        event.listen(engine, "before_cursor_execute", note)
        try:
            assert all(
                not isinstance(one, Exception)
                for one in replica.take([(node, whole(node, seq=seq)) for node in ("n1", "n2")[:count]])
            )
        finally:
            event.remove(engine, "before_cursor_execute", note)
        return len(seen)

    assert statements(1, 1) == statements(2, 2) == statements(2, 3) <= 5


def test_a_change_is_folded_into_the_report_that_it_builds_on(replica: Replica) -> None:
    replica.one("n1", whole(seq=1))
    answer = replica.one("n1", change(seq=2, base=1, processes=3, utilization_percent=50))
    assert (answer.seq, answer.whole) == (2, False)
    shown = _node(replica.world).gpus
    assert [(gpu.processes, gpu.memory_used_bytes) for gpu in shown[:2]] == [(3, 0), (0, 0)]


def test_a_change_of_a_report_that_another_replica_took_says_nothing_and_a_whole_one_is_asked_for(
    replica: Replica,
) -> None:
    replica.one("n1", whole(seq=1))
    other = Replica(replica.world)
    answer = other.one("n1", change(seq=2, base=1, processes=3))
    assert (answer.seq, answer.whole) == (2, True)
    assert _node(replica.world).gpus[0].processes == 0
    assert other.one("n1", whole(seq=3, gpu0={"processes": 3})).whole is False
    assert _node(replica.world).gpus[0].processes == 3


def test_what_needs_no_base_is_kept_where_the_base_is_not_known(replica: Replica) -> None:
    world = replica.world
    world.ask(8)
    world.turn(T0)
    [held, *_] = replica.one("n1", whole(seq=1)).allocations
    use = {"allocation": held.allocation, "day_began_at": "2027-01-15T00:00:00Z", "sampled_ms": 9, "busy_ms": 4}
    earlier = [{"boot": "b0", "usage": [{**use, "busy_ms": 3}]}]
    report = change(seq=2, base=7, processes=1, usage=[use], events=[xid(1)], earlier=earlier)
    answer = replica.one("n1", report)
    assert (answer.whole, answer.events_taken, answer.earlier_taken) == (True, 1, ["b0"])
    assert _scalar(world, "SELECT sum(busy_ms) FROM allocation_use") == 7
    assert [one.id for one in _events(world).items] == [1]
    assert replica.one("n1", report).whole
    assert _scalar(world, "SELECT sum(busy_ms) FROM allocation_use") == 7


def test_a_proof_of_empty_that_builds_on_what_is_not_known_proves_nothing(replica: Replica) -> None:
    world = replica.world
    world.ask(8, duration_s=100)
    world.turn(T0)
    world.turn(T0 + 100)
    ended = [held.allocation for held in replica.one("n1", whole(seq=1)).allocations if held.ended]
    assert len(ended) == GPUS
    assert replica.one("n1", change(seq=2, base=9, knew_ended=ended)).whole
    assert world.gpus()["cleaning"] == GPUS
    assert replica.one("n1", change(seq=2, base=1, knew_ended=ended)).allocations == []
    assert world.gpus() == {"free": 16}


def test_a_gpu_is_not_proved_empty_by_what_only_was_so_before(replica: Replica) -> None:
    world = replica.world
    world.ask(8, duration_s=100)
    world.turn(T0)
    replica.one("n1", whole(seq=1))
    world.turn(T0 + 100)
    ended = [held.allocation for held in replica.one("n1", change(seq=2, base=1)).allocations]
    answer = replica.one("n1", change(seq=3, base=2, processes=None, knew_ended=ended))
    assert [held.gpu for held in answer.allocations] == ["GPU-n1-0"]


def test_two_replicas_in_turn_write_what_is_so_and_not_what_each_wrote_last(replica: Replica) -> None:
    other = Replica(replica.world)
    replica.one("n1", whole(seq=1))
    other.one("n1", whole(seq=2, gpu0={"processes": 5}))
    replica.one("n1", whole(seq=3))
    assert _node(replica.world).gpus[0].processes == 0


def test_what_only_people_look_at_is_written_once_a_minute(replica: Replica) -> None:
    def shown() -> int | None:
        return _node(replica.world).gpus[0].temperature_celsius

    replica.one("n1", whole(seq=1, gpu0={"temperature_celsius": 30}))
    replica.one("n1", change(seq=2, base=1, temperature_celsius=60), now=T0 + 10)
    assert shown() == 30
    replica.one("n1", change(seq=3, base=2, temperature_celsius=70), now=T0 + 60)
    assert shown() == 70
    assert _node(replica.world).silent_s == 0, "that it was heard is always written"


def test_memory_past_what_is_none_is_written_at_once_so_that_no_such_gpu_is_granted(replica: Replica) -> None:
    world = replica.world
    floor = _scalar(world, "SELECT empty_memory_bytes FROM pool")
    replica.one("n1", whole(seq=1, gpu0={"memory_used_bytes": floor}))
    replica.one("n1", change(seq=2, base=1, memory_used_bytes=floor + 1))
    with world.db.snapshot() as session:
        assert "GPU-n1-0" not in gpus.grantable(session, "h100", ["n1"])["n1"]


def test_a_transaction_that_is_lost_leaves_nothing_behind_that_the_next_builds_on(replica: Replica) -> None:
    replica.one("n1", whole(seq=1))
    with suppress(ZeroDivisionError), replica.world.db.begin() as session:
        intake.take_all(
            session, [Arrived(node="n1", report=change(seq=2, base=1, processes=4))], replica.newest, now=T0
        )
        raise ZeroDivisionError
    assert replica.one("n1", change(seq=3, base=2, processes=4)).whole
    assert not replica.one("n1", change(seq=4, base=1, processes=4)).whole
    assert _node(replica.world).gpus[0].processes == 4


def test_a_change_of_health_is_taken_alone_and_touches_the_pool(replica: Replica) -> None:
    replica.one("n1", whole(seq=1))
    before = _scalar(replica.world, "SELECT generation FROM pool")
    sick = change(seq=2, base=1, health="unhealthy", health_reason="XID 79")
    assert isinstance(replica.one("n1", sick), ChangesFleet)
    assert _scalar(replica.world, "SELECT generation FROM pool") == before
    assert replica.one("n1", sick, alone=True).whole is False
    assert replica.world.gpus() == {"unhealthy": 1, "free": 15}
    assert _scalar(replica.world, "SELECT generation FROM pool") == before + 1


def test_silent_nodes_that_come_back_together_are_taken_together(replica: Replica) -> None:
    with replica.world.db.begin() as session:
        session.connection().execute(text("UPDATE node SET state = 'unknown'"))
    batch = [(node, whole(node, seq=1)) for node in ("n2", "n1")]
    assert all(isinstance(one, ChangesFleet) for one in replica.take(batch))
    assert [answer.seq for answer in replica.take(batch, alone=True)] == [1, 1]
    assert [_node(replica.world, name).state for name in ("n1", "n2")] == ["ok", "ok"]


def test_one_that_is_refused_does_not_harm_the_others_of_its_batch(replica: Replica) -> None:
    stolen = whole("n1", seq=1, gpu0={"uuid": "GPU-n2-0"})
    twice = whole("n1", seq=1, gpu0={"uuid": "GPU-n1-1"})
    busy = {"allocation": "alo_1", "day_began_at": "2027-01-15T00:00:00Z", "sampled_ms": 1, "busy_ms": 2}
    for bad, kind, alone in (
        (stolen, GpuClaimed, True),
        (twice, InvalidRequest, False),
        (whole(seq=1, usage=[busy]), InvalidRequest, False),
        (whole(seq=1, earlier=[{"boot": "b0", "usage": [busy]}]), InvalidRequest, False),
    ):
        refused, unknown, taken = replica.take(
            [("n1", bad), ("n9", whole("n9")), ("n2", whole("n2", seq=1))], alone=alone
        )
        assert isinstance(refused, kind)
        assert isinstance(unknown, UnknownNode)
        assert taken.seq == 1


def test_a_gpu_that_was_moved_is_no_more_of_the_node_that_a_replica_remembers(replica: Replica) -> None:
    replica.one("n1", whole(seq=1))
    replica.one("n1", whole(seq=2, gpus_=7), alone=True)
    moved = {"uuid": "GPU-n1-7", "index": 8, "product": PRODUCT, "health": "ok"}
    report = whole("n2", seq=1)
    other = Replica(replica.world)
    other.one(
        "n2",
        msgspec.structs.replace(report, gpus=[*report.gpus, msgspec.convert(moved, type(report.gpus[0]))]),
        alone=True,
    )
    assert isinstance(replica.one("n1", whole(seq=3)), ChangesFleet)
    assert isinstance(replica.one("n1", whole(seq=3), alone=True), GpuClaimed)


def test_an_older_report_of_the_same_agent_is_refused_in_a_batch_too(replica: Replica) -> None:
    replica.one("n1", whole(seq=5))
    assert isinstance(replica.one("n1", whole(seq=4)), StaleReport)


def test_two_agents_on_a_node_are_noticed_and_the_older_hears_who_the_other_is(replica: Replica) -> None:
    replica.one("n1", whole(seq=9, boot="old"), now=T0)
    replica.one("n1", whole(seq=1, boot="new"), now=T0 + 2)
    found = replica.one("n1", whole(seq=10, boot="old"), now=T0 + 3)
    assert isinstance(found, SecondAgent)
    assert "of boot new" in str(found)
    assert replica.one("n1", whole(seq=2, boot="new"), now=T0 + 4).seq == 2
    assert isinstance(replica.one("n1", whole(seq=11, boot="old"), now=T0 + 5), SecondAgent)


def test_an_agent_is_listened_to_again_once_the_other_is_silent(replica: Replica) -> None:
    replica.one("n1", whole(seq=9, boot="old"), now=T0)
    replica.one("n1", whole(seq=1, boot="new"), now=T0 + 2)
    assert replica.one("n1", whole(seq=10, boot="old"), now=T0 + 60).seq == 10


def test_events_are_kept_once_however_often_they_are_told_by_our_clock_and_the_newest_first(replica: Replica) -> None:
    told = [xid(1, at=T0 + 3600 - 50, xid=79), xid(2, at=T0 + 3600 - 20, xid=13)]
    for seq in (1, 2):
        answer = replica.one("n1", whole(seq=seq, events=told, sent_at=T0 + 3600))
        assert answer.events_taken == 2
    found = _events(replica.world).items
    assert [(one.id, one.at.timestamp(), one.kind, one.gpu, one.detail) for one in found] == [
        (2, T0 - 20, "xid", "GPU-n1-0", {"xid": 13}),
        (1, T0 - 50, "xid", "GPU-n1-0", {"xid": 79}),
    ]


def test_an_agent_that_lost_its_count_loses_no_events(replica: Replica) -> None:
    replica.one("n1", whole(seq=1, events=[xid(1, at=T0 - 9, xid=79)]))
    replica.one("n1", whole(seq=1, boot="b2", events=[xid(1, at=T0 - 5, xid=13)]))
    assert [one.detail for one in _events(replica.world).items] == [{"xid": 13}, {"xid": 79}]


@pytest.mark.parametrize(("sent_at", "at"), [(T0, 1e11), (1e11, 0), (0, 1e11)], ids=["ahead", "long ago", "1970"])
def test_an_event_of_a_clock_that_is_off_never_happened_later_than_now(
    replica: Replica, sent_at: float, at: float
) -> None:
    replica.one("n1", whole(seq=1, sent_at=sent_at, events=[xid(1, at=at)]))
    [found] = _events(replica.world).items
    assert 0 <= found.at.timestamp() <= T0


def test_events_are_read_page_by_page_and_those_of_other_nodes_are_not_among_them(replica: Replica) -> None:
    told = [xid(number, at=T0 - 10) for number in range(1, 6)]
    replica.take([("n1", whole(seq=1, events=told)), ("n2", whole("n2", seq=1, events=[xid(9)]))])
    from scheduler.store import pages

    seen: list[int] = []
    after = None
    while True:
        page = _events(replica.world, after=after, limit=2)
        seen += [one.id for one in page.items]
        if page.next_cursor is None:
            break
        after = pages.decode(page.next_cursor)
    assert seen == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("cursor", ["x", "1", "1-", "-1", "1-x", "9" * 30 + "-1"])
def test_a_cursor_that_is_none_of_ours_is_refused(world: World, cursor: str) -> None:
    with pytest.raises(DureError, match="cursor"):
        _events(world, after=cursor)


def test_what_a_clock_that_is_off_put_in_no_month_is_forgotten_two_years_after_it_happened(replica: Replica) -> None:
    replica.one("n1", whole(seq=1, events=[xid(1), xid(2, at=1e11)]))

    def forget(now: float) -> int:
        with replica.world.db.begin() as session:
            return node_events.forget(session, now=now)

    assert forget(T0 - 50 + node_events.KEPT_S) == 0
    assert forget(T0 + 50 + node_events.KEPT_S) == 1
    assert [one.id for one in _events(replica.world).items] == [1]


def test_a_gpu_that_may_not_be_called_empty_says_why_until_it_is(replica: Replica) -> None:
    world = replica.world
    world.ask(8, duration_s=100)
    world.turn(T0)
    world.turn(T0 + 100)
    ended = [held.allocation for held in replica.one("n1", whole(seq=1, gpu0={"processes": 1})).allocations]
    why = [{"allocation": ended[0], "why": "scrub_command failed: exit status 3"}, {"allocation": "alo_0", "why": "?"}]
    replica.one("n1", change(seq=2, base=1, unproved=why))
    assert [gpu.unproved for gpu in _node(world).gpus if gpu.unproved] == ["scrub_command failed: exit status 3"]
    replica.one("n1", change(seq=3, base=2))
    assert [gpu.unproved for gpu in _node(world).gpus if gpu.unproved] == []
    replica.one("n1", change(seq=4, base=3, unproved=why))
    replica.one("n1", whole(seq=5, knew_ended=ended))
    assert (world.gpus(), _scalar(world, "SELECT count(unproved) FROM allocation")) == ({"free": 16}, 0)


def test_an_agent_is_told_how_much_memory_in_use_is_none(replica: Replica) -> None:
    replica.world.ask(8)
    replica.world.turn(T0)
    floor = _scalar(replica.world, "SELECT empty_memory_bytes FROM pool")
    assert {held.empty_memory_bytes for held in replica.one("n1", whole(seq=1)).allocations} == {floor}


def test_the_versions_of_driver_and_cuda_are_shown(replica: Replica) -> None:
    replica.one("n1", whole(seq=1, driver_version="580.1", cuda_version="13.0"))
    assert (_node(replica.world).driver_version, _node(replica.world).cuda_version) == ("580.1", "13.0")


def test_a_report_that_builds_on_another_leaves_the_versions_as_they_were_and_a_whole_one_says_all(
    replica: Replica,
) -> None:
    def versions() -> tuple[str | None, str | None]:
        shown = _node(replica.world)
        return shown.driver_version, shown.cuda_version

    replica.one("n1", whole(seq=1, driver_version="580.1", cuda_version="13.0"))
    replica.one("n1", change(seq=2, base=1, processes=1))
    assert versions() == ("580.1", "13.0")
    replica.one("n1", whole(seq=3))
    assert versions() == (None, None)


def test_an_agent_is_told_of_a_pool_that_was_added_after_its_whole_report_and_told_once(replica: Replica) -> None:
    other: dict[str, Any] = {f"gpu{k}": {"product": "NVIDIA A100-SXM4-40GB"} for k in range(GPUS)}
    assert replica.one("n1", whole(**other), alone=True).pools == {}
    with replica.world.db.begin() as session:
        body = wire.PoolCreate(name="a100", product="NVIDIA A100-SXM4-40GB", gap_s=4)
        pools.add(session, body, actor=ADMIN, now=T0)
    assert replica.one("n1", change(seq=2, base=1)).pools == {f"GPU-n1-{k}": "a100" for k in range(GPUS)}
    assert replica.one("n1", change(seq=3, base=2)).pools is None
