"""Leases that get another size: GPUs given and taken at once, proved empty, and charged to the GPU-second."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from dure import wire
from dure.errors import InvalidRequest, ResizeRefused, WrongState
from scheduler import amend
from scheduler.core.model import Instant
from scheduler.core.words import time as rfc
from scheduler.service import Service
from scheduler.store import books, history, pools, usage
from scheduler.store.books import Books
from scheduler.store.db import Database
from scheduler.store.times import to_wire
from tests.integration.scheduler.conftest import ADMIN, DAY, GAP_S, T0, World, company
from tests.integration.scheduler.test_decisions import kept, replay

HOUR = 3600


def used(world: World, *, since: float, until: float, now: float) -> wire.CompanyUsage:
    begin, end = (datetime.fromtimestamp(at, UTC) for at in (since, until))
    with world.db.snapshot() as session:
        [row] = usage.show(session, actor=ADMIN, company="acme", since=begin, until=end, now=now).rows
    return row


def over(world: World, lease: wire.Lease, *, now: float) -> wire.Lease:
    world.clean(now)
    world.turn(now)
    world.turn(now)
    found = world.lease(lease)
    assert found.state == "ended"
    return found


def test_a_running_lease_gives_gpus_back_which_are_proved_empty_and_refunded(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    found = world.shrink(lease, now=T0 + 100, gpus=5)
    assert (found.commit_gpu_seconds, sum(share.gpus for share in found.given_back)) == (-3 * (HOUR - 100), 3)
    assert world.balance() == (8 * HOUR - 3 * (HOUR - 100), 0)
    assert world.gpus() == {"leased": 5, "cleaning": 3, "free": 8}
    world.clean(T0 + 102)
    assert world.gpus() == {"leased": 5, "free": 11}
    shown = world.lease(lease)
    assert [(size.gpus, size.since, size.until) for size in shown.sizes] == [(8, to_wire(T0), to_wire(T0 + 100))]
    assert shown.shape.gpus == 5
    assert len([gpu for gpu in shown.gpus if gpu.proved_empty_at and gpu.given_back_at == to_wire(T0 + 100)]) == 3
    assert len([gpu for gpu in shown.gpus if gpu.given_back_at is None]) == 5
    over(world, lease, now=T0 + HOUR)
    assert world.balance() == (0, 8 * 100 + 5 * (HOUR - 100))
    assert used(world, since=T0, until=T0 + HOUR, now=T0 + HOUR).leased_gpu_seconds == 800 + 5 * (HOUR - 100)
    assert used(world, since=T0 + 50, until=T0 + 150, now=T0 + HOUR).leased_gpu_seconds == 8 * 50 + 5 * 50


def test_what_was_given_back_is_promised_to_others_only_after_its_gap(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR)
    world.ask(8, who="globex", duration_s=2 * HOUR)
    world.turn(T0)
    world.shrink(lease, now=T0 + 100, gpus=4)
    next_ = world.ask(4, who="globex", now=T0 + 100, duration_s=100)
    assert next_.promised_start == to_wire(T0 + 100 + GAP_S)
    world.clean(T0 + 103)
    world.turn(T0 + 100 + GAP_S)
    assert world.lease(next_).state == "active"


def test_gpus_given_back_that_are_not_proved_empty_are_quarantined_after_the_gap(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    world.shrink(lease, now=T0 + 100, gpus=6)
    world.turn(T0 + 100 + GAP_S - 1)
    assert world.gpus() == {"leased": 6, "cleaning": 2, "free": 8}
    world.turn(T0 + 100 + GAP_S)
    assert world.gpus() == {"leased": 6, "quarantined": 2, "free": 8}
    assert world.lease(lease).state == "active"


def test_the_gpus_that_nobody_runs_on_are_given_back_first(world: World) -> None:
    lease = world.ask(3, duration_s=HOUR)
    world.turn(T0)
    held = {gpu.uuid: gpu.node for gpu in world.lease(lease).gpus}
    [node] = set(held.values())
    idle = sorted(held)[0]
    world.report(node, now=T0 + 50, busy=[uuid for uuid in held if uuid != idle])
    world.shrink(lease, now=T0 + 60, gpus=2)
    told = {found.gpu: found.ended for found in world.report(node, now=T0 + 61).allocations}
    assert [gpu for gpu, ended in told.items() if ended] == [idle]


def test_a_gang_gives_back_whole_nodes(world: World) -> None:
    lease = world.ask(shape={"nodes": 2, "gpus_per_node": 4}, duration_s=HOUR)
    world.turn(T0)
    with pytest.raises(InvalidRequest, match="counted in nodes: say how many"):
        world.shrink(lease, now=T0 + 10, gpus=4)
    found = world.shrink(lease, now=T0 + 10, nodes=1)
    assert [share.gpus for share in found.given_back] == [4]
    assert (found.lease.shape.nodes, len(found.lease.placement)) == (1, 1)
    assert world.gpus() == {"leased": 4, "cleaning": 4, "free": 8}


def test_an_inference_lease_grows_at_once_and_is_charged_from_then_on(world: World) -> None:
    lease = world.ask(4, duration_s=HOUR, purpose="inference", max=10)
    world.turn(T0)
    found = world.resize(lease, now=T0 + 600, gpus=10)
    assert (found.commit_gpu_seconds, sum(share.gpus for share in found.added)) == (6 * (HOUR - 600), 6)
    assert world.gpus() == {"leased": 10, "free": 6}
    assert len(world.lease(lease).gpus) == 10
    assert ("resized", "resized") in world.events(lease)
    [decision] = [head.id for head in kept(world) if head.kind == "resize"]
    assert replay(world, decision).looked_at == 1
    over(world, lease, now=T0 + HOUR)
    assert world.balance() == (0, 4 * 600 + 10 * (HOUR - 600))
    assert used(world, since=T0 + 500, until=T0 + 700, now=T0 + HOUR).leased_gpu_seconds == 4 * 100 + 10 * 100


def test_a_lease_that_changes_its_size_often_and_is_released_settles_to_the_second(world: World) -> None:
    lease = world.ask(4, duration_s=HOUR, purpose="inference")
    world.turn(T0)
    had, size, since = 0, 4, 0
    for at, gpus in ((10, 8), (10, 9), (25, 2), (25, 1), (300, 16), (301, 3)):
        world.clean(T0 + at)
        world.resize(lease, now=T0 + at, gpus=gpus)
        had, size, since = had + size * (at - since), gpus, at
    world.extend(lease, now=T0 + 400, by_s=500)
    world.shrink(lease, now=T0 + 401, by_s=100)
    world.release(lease, now=T0 + 1000)
    world.turn(T0 + 1001)
    had += size * (1000 - since)
    assert world.lease(lease).state == "ended"
    assert world.balance() == (0, had)
    assert used(world, since=T0, until=T0 + HOUR, now=T0 + HOUR).leased_gpu_seconds == had
    assert [size.gpus for size in world.lease(lease).sizes] == [4, 9, 1, 16]


def test_use_counts_for_each_gpu_in_the_time_that_it_was_held(world: World) -> None:
    lease = world.ask(1, duration_s=1000, purpose="inference")
    world.turn(T0)
    world.resize(lease, now=T0 + 500, gpus=2)
    told = [found.allocation for node in ("n1", "n2") for found in world.report(node, now=T0 + 500).allocations]
    for node in ("n1", "n2"):
        use = [
            wire.AllocationUsage(
                day_began_at=DAY, allocation=found, sampled_ms=500_000, busy_ms=500_000, energy_millijoules=1_000_000
            )
            for found in told
        ]
        world.report(node, now=T0 + 1000, usage=use)
    assert used(world, since=T0, until=T0 + 1000, now=T0 + 1000).busy_gpu_seconds == 1000
    assert used(world, since=T0 + 500, until=T0 + 1000, now=T0 + 1000).busy_gpu_seconds == 250 + 500


def test_growing_takes_nothing_that_is_promised_and_says_how_much_there_is(world: World) -> None:
    lease = world.ask(4, duration_s=HOUR, purpose="inference")
    world.turn(T0)
    promised = world.ask(10, who="globex", start=to_wire(T0 + 1000), duration_s=100)
    with pytest.raises(ResizeRefused) as refused:
        world.resize(lease, now=T0 + 10, gpus=7)
    assert refused.value.numbers == {
        "in_the_way": "capacity",
        "asked": 7,
        "has": 4,
        "largest": 6,
        "in_the_way_from": rfc(T0 + 1000),
        "possible_from": rfc(T0 + 1100 + GAP_S),
        "promises_in_the_way": 1,
    }
    assert refused.value.detail.endswith(
        f"it can have 6, and by the calendar as it is 7 from {rfc(T0 + 1100 + GAP_S)} on"
    )
    world.resize(lease, now=T0 + 10, gpus=6)
    assert world.lease(promised).starts_at == promised.starts_at
    assert world.overbooked(T0 + 10) == []


@pytest.mark.parametrize(
    ("ask", "body", "code", "numbers"),
    [
        ({"purpose": "training"}, {"gpus": 6}, "resize_refused", {"in_the_way": "purpose", "largest": 4}),
        ({"purpose": "inference", "max": 5}, {"gpus": 6}, "resize_refused", {"in_the_way": "max", "largest": 5}),
        ({"purpose": "inference", "min": 3}, {"gpus": 2}, "resize_refused", {"in_the_way": "min", "smallest": 3}),
        ({"purpose": "inference"}, {"gpus": 17}, "resize_refused", {"in_the_way": "capacity", "largest": 16}),
        ({"purpose": "inference"}, {"gpus": 4}, "invalid_request", {}),
        ({"purpose": "inference"}, {"nodes": 2}, "invalid_request", {}),
    ],
)
def test_a_size_that_cannot_be_is_refused_with_what_can(
    world: World, ask: dict[str, Any], body: dict[str, Any], code: str, numbers: dict[str, object]
) -> None:
    lease = world.ask(4, duration_s=HOUR, **ask)
    world.turn(T0)
    with pytest.raises((ResizeRefused, InvalidRequest)) as refused:
        world.resize(lease, now=T0 + 10, **body)
    assert refused.value.code == code
    assert numbers.items() <= refused.value.numbers.items()
    assert world.balance() == (4 * HOUR, 0)
    assert len(world.lease(lease).gpus) == 4


def test_who_said_no_most_grows_as_far_as_the_quota_allows(world: World) -> None:
    world.set_quota("acme", 12, now=T0)
    lease = world.ask(4, purpose="inference", duration_s=HOUR)
    world.turn(T0)
    assert world.resize(lease, now=T0 + 10, gpus=12).lease.shape.gpus == 12
    with pytest.raises(ResizeRefused, match="quota"):
        world.resize(lease, now=T0 + 20, gpus=13)


def test_growing_stays_in_the_quota_until_the_lease_ends(world: World) -> None:
    lease = world.ask(4, duration_s=HOUR, purpose="inference")
    world.turn(T0)
    world.ask(6, start=to_wire(T0 + 1800), duration_s=100)
    world.set_quota("acme", 12, now=T0 + 1)
    with pytest.raises(ResizeRefused, match="quota leaves no more") as refused:
        world.resize(lease, now=T0 + 10, gpus=8)
    assert (refused.value.numbers["in_the_way"], refused.value.numbers["largest"]) == ("quota", 6)


def test_what_is_not_proved_empty_yet_is_not_grown_into(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR, purpose="inference")
    short = world.ask(8, who="globex", duration_s=100)
    world.turn(T0)
    world.turn(T0 + 100)
    world.turn(T0 + 100)
    assert world.lease(short).state == "ended"
    at = T0 + 100 + GAP_S
    with pytest.raises(ResizeRefused) as refused:
        world.resize(lease, now=at, gpus=10)
    assert refused.value.numbers["largest"] == 8
    world.clean(at + 1)
    assert world.resize(lease, now=at + 2, gpus=10).lease.shape.gpus == 10


def test_a_scheduled_lease_grows_at_its_start_and_takes_its_gpus_then(world: World) -> None:
    lease = world.ask(4, start=to_wire(T0 + 100), duration_s=100, purpose="inference")
    found = world.resize(lease, now=T0 + 1, gpus=12)
    assert (found.lease.starts_at, found.commit_gpu_seconds) == (lease.starts_at, 8 * 100)
    assert found.lease.sizes == []
    world.turn(T0 + 100)
    assert len(world.lease(lease).gpus) == 12
    over(world, lease, now=T0 + 200)
    assert world.balance() == (0, 12 * 100)


def test_what_is_over_is_not_resized(world: World) -> None:
    lease = world.ask(4, duration_s=100)
    world.turn(T0)
    with pytest.raises(WrongState):
        world.shrink(lease, now=T0 + 100, gpus=2)
    over(world, lease, now=T0 + 100)
    with pytest.raises(WrongState):
        world.resize(lease, now=T0 + 101, gpus=2)


def test_a_clock_that_steps_back_takes_nothing_twice(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR, purpose="inference")
    world.turn(T0)
    world.resize(lease, now=T0 + 100, gpus=4)
    world.clean(T0 + 101)
    world.resize(lease, now=T0 + 50, gpus=2)
    assert [(size.gpus, size.until) for size in world.lease(lease).sizes] == [(8, to_wire(T0 + 100))]
    over(world, lease, now=T0 + HOUR)
    assert world.balance() == (0, 8 * 100 + 2 * (HOUR - 100))


def test_a_preview_says_what_a_resize_would_do_and_changes_nothing(world: World) -> None:
    lease = world.ask(4, duration_s=HOUR, purpose="inference")
    world.turn(T0)
    before = world.lease(lease)
    acme = company("acme")
    with world.db.snapshot() as session:
        grown = amend.preview_resized(world.service, session, lease.id, wire.Resize(gpus=8), actor=acme, now=T0 + 10)
        shrunk = amend.preview_shrunk(world.service, session, lease.id, wire.Shrink(gpus=3), actor=acme, now=T0 + 10)
    assert world.lease(lease) == before
    assert (shrunk.commit_gpu_seconds, shrunk.lease.shape.gpus) == (-(HOUR - 10), 3)
    done = world.resize(lease, now=T0 + 10, gpus=8)
    assert (grown.commit_gpu_seconds, grown.added) == (done.commit_gpu_seconds, done.added)
    assert (grown.lease.placement, grown.lease.sizes) == (done.lease.placement, done.lease.sizes)


def test_an_ask_with_a_min_starts_as_early_as_that_does_with_as_many_as_fit(database: Database) -> None:
    world = World(database).found()
    world.ask(13, who="globex", duration_s=HOUR)
    lease = world.ask(8, duration_s=HOUR, purpose="inference", min=2)
    assert (lease.shape.gpus, lease.promised_start) == (3, to_wire(T0))
    assert "3 GPUs of the 8 GPUs asked for" in lease.decision.detail
    assert (lease.min, lease.max) == (2, None)
    assert world.balance() == (3 * HOUR, 0)
    waits = world.ask(8, duration_s=HOUR, purpose="inference", min=4)
    assert (waits.shape.gpus, waits.promised_start) == (8, to_wire(T0 + HOUR + GAP_S))


def test_a_queued_ask_with_a_min_is_promised_as_many_as_fit_when_room_appears(database: Database) -> None:
    world = World(database).found()
    first = world.ask(16, who="globex", duration_s=59 * 24 * HOUR)
    world.turn(T0)
    lease = world.ask(8, duration_s=2 * 24 * HOUR, purpose="inference", min=2, notice_s=0)
    assert (lease.state, lease.shape.gpus) == ("queued", 8)
    world.shrink(first, now=T0 + 10, gpus=13)
    world.turn(T0 + 11)
    found = world.lease(lease)
    assert (found.state, found.shape.gpus) == ("scheduled", 3)
    assert world.balance() == (3 * 2 * 24 * HOUR, 0)


def test_a_release_in_the_second_of_a_shrink_leaves_the_gap_of_what_was_given_back(world: World) -> None:
    lease = world.ask(8, duration_s=HOUR)
    world.turn(T0)
    world.shrink(lease, now=T0 + 99.4, gpus=3)
    world.release(lease, now=T0 + 99.8)
    assert_one_book(world, T0 + 100)
    world.turn(T0 + 100)
    assert_one_book(world, T0 + 100)
    assert world.balance() == (0, 8 * 100)


def test_growing_leaves_what_is_due_the_gpus_that_are_proved_empty(world: World) -> None:
    lease = world.ask(4, duration_s=HOUR, purpose="inference")
    before = world.ask(1, who="globex", duration_s=100)
    world.turn(T0)
    due = world.ask(8, who="globex", start=to_wire(T0 + 100 + GAP_S), duration_s=100, purpose="inference")
    assert [share.gpus for share in due.placement] == [4, 4]
    for _ in range(2):
        world.turn(T0 + 100)
    assert world.lease(before).state == "ended"
    with pytest.raises(ResizeRefused) as refused:
        world.resize(lease, now=T0 + 100 + GAP_S, gpus=8)
    assert (refused.value.numbers["in_the_way"], refused.value.numbers["largest"]) == ("capacity", 7)
    world.resize(lease, now=T0 + 100 + GAP_S, gpus=7)
    world.turn(T0 + 100 + GAP_S)
    assert world.lease(due).state == "active"
    assert world.lease(due).late_start_s == 0


def assert_one_book(world: World, now: float) -> None:
    """What the tables say and what the log says is the same, and what a replica keeps."""
    at = Instant(int(now))
    with world.db.snapshot() as session:
        row = pools.row(session, "h100")
        found = [
            books.fresh(session, "h100", at),
            history.book(session, "h100", row.generation, books.policy(row), at),
            world.service.books.seen(session, "h100", at)[1],
        ]
    assert len({book.digest(at) for book in found}) == 1


@pytest.mark.parametrize("ends", ["by itself", "released"])
def test_a_resize_that_races_the_end_comes_before_it_or_is_told_that_it_is_over(world: World, ends: str) -> None:
    """Whoever gets the pool's lock first: afterwards nothing is held, and every GPU-second is paid for once."""
    lease = world.ask(4, duration_s=HOUR, purpose="inference")
    world.turn(T0)
    sizes, end = iter((9, 2, 12, 3, 8, 5)), T0 + HOUR
    told: list[str] = []

    def act(number: int) -> None:
        if number % 4 == 3:
            if ends == "released":
                with contextlib.suppress(WrongState):
                    world.release(lease, now=end - 0.5)
            world.turn(end)
            return
        try:
            world.resize(lease, now=end - 2 + number / 8, gpus=next(sizes))
        except (ResizeRefused, WrongState, InvalidRequest) as error:
            told.append(error.code)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(act, range(8)))
    for _ in range(2):
        world.turn(end)
    ended = world.lease(lease)
    assert ended.state == "ended"
    assert set(told) <= {"wrong_state", "resize_refused", "invalid_request"}
    ends_, sinces = [size.until for size in ended.sizes], [size.since for size in ended.sizes]
    assert sinces == [ended.starts_at, *ends_[:-1]][: len(sinces)]
    assert ended.stops_at is not None
    boxes = [*((size.gpus, size.since, size.until) for size in ended.sizes), (ended.shape.gpus, *_last(ended))]
    had = sum(gpus * int((until - since).total_seconds()) for gpus, since, until in boxes)
    assert world.balance() == (0, had)
    assert used(world, since=T0, until=end, now=end).leased_gpu_seconds == had
    world.clean(end + 1)
    assert world.gpus() == {"free": 16}
    assert_one_book(world, end + 1)


def _last(lease: wire.Lease) -> tuple[datetime, datetime]:
    """Since when it had its last size, and until when."""
    assert lease.starts_at is not None
    assert lease.stops_at is not None
    return max([lease.starts_at, *(size.until for size in lease.sizes)]), lease.stops_at


def test_two_leases_that_grow_into_the_same_gpus_at_once_do_not_both_get_them(world: World) -> None:
    leases_ = [world.ask(4, who=who, duration_s=HOUR, purpose="inference") for who in ("acme", "globex")]
    world.turn(T0)
    services = [world.service, Service(Books())]

    def grow(number: int) -> str:
        mine = replace(world, service=services[number])
        try:
            mine.resize(leases_[number], now=T0 + 10, gpus=10)
        except ResizeRefused as refused:
            return f"{refused.numbers['in_the_way']} {refused.numbers['largest']}"
        return "grown"

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(grow, range(2))) == ["capacity 6", "grown"]
    assert world.gpus() == {"leased": 14, "free": 2}
    assert sorted(len(world.lease(lease).gpus) for lease in leases_) == [4, 10]


def test_an_agent_is_told_at_once_what_a_lease_holds_more_and_what_no_longer(world: World) -> None:
    lease = world.ask(2, duration_s=HOUR, purpose="inference")
    world.turn(T0)
    assert held(world, lease, T0 + 1) == {"n1": (1, 0), "n2": (1, 0)}
    world.resize(lease, now=T0 + 2, gpus=5)
    assert sorted(held(world, lease, T0 + 3).values()) == [(2, 0), (3, 0)]
    world.resize(lease, now=T0 + 4, gpus=2)
    assert sorted(held(world, lease, T0 + 5).values()) == [(1, 1), (1, 2)]
    world.clean(T0 + 6)
    assert held(world, lease, T0 + 7) == {"n1": (1, 0), "n2": (1, 0)}
    assert world.gpus() == {"leased": 2, "free": 14}


def held(world: World, lease: wire.Lease, now: float) -> dict[str, tuple[int, int]]:
    """By node, of the answer to its report: GPUs that the lease holds, and GPUs that the node is to show empty."""
    answers = {node: world.report(node, now=now).allocations for node in ("n1", "n2")}
    assert {found.lease for told in answers.values() for found in told} == {lease.id}
    return {
        node: (sum(not found.ended for found in told), sum(found.ended for found in told))
        for node, told in answers.items()
    }
