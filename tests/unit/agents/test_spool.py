"""What is kept until it is told: across deaths of the agent, damaged files, full disks and folders of somebody else."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.events import Event
from agents.spool.folder import FolderInUse
from agents.spool.spool import Spool
from agents.spool.untold import Untold
from agents.totals import Use
from dure.wire import NodeEvent
from tests.unit.agents.builders import Hand

ROOT = Path(__file__).resolve().parents[3]
DAY = 1_800_000_000


def _use(allocation: str = "all_1", sampled_ms: int = 1000) -> Use:
    return Use(allocation=allocation, day=DAY, sampled_ms=sampled_ms, busy_ms=sampled_ms // 2, energy_millijoules=7)


def _event(number: int = 1, **detail: str | float | bool | None) -> Event:
    return Event(kind="xid", at=1.8e9, gpu="GPU-a", detail={"number": number, **detail})


class Agents:
    """Agent processes that follow each other on one folder."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.clock = Hand()
        self.totals: list[Use] = []
        self.boots = 0
        self.spool = self.start()

    def start(self, mib: int = 1) -> Spool:
        self.boots += 1
        self.spool = Spool(
            self.folder,
            boot=f"boot_{self.boots}",
            totals=lambda: list(self.totals),
            mib=mib,
            monotonic=self.clock.monotonic,
            now=self.clock.wall,
        )
        return self.spool

    def kill(self) -> None:
        """As SIGKILL does it: its locks are gone, and nothing is written."""
        self.spool._give_up_disk()
        if self.spool._claim is not None:
            os.close(self.spool._claim)
            self.spool._claim = None
        self.totals = []

    def restart(self) -> Spool:
        self.kill()
        return self.start()


@pytest.fixture
def agents(tmp_path: Path) -> Iterator[Agents]:
    found = Agents(tmp_path / "state")
    yield found
    found.kill()


def _numbers(spool: Spool, limit: int = 1000) -> list[int]:
    return [event["detail"]["number"] for event in spool.untold.events(limit)]


def _actions(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.__dict__["action"] for record in caplog.records]


# --- totals --------------------------------------------------------------------------------------------------------


def test_totals_of_a_killed_agent_are_told_by_the_next_until_they_are_taken(agents: Agents) -> None:
    agents.totals = [_use(sampled_ms=5000)]
    agents.spool.step()
    second = agents.restart()
    third = agents.restart()
    told = third.untold.earlier(10)
    third.untold.take_earlier(told)
    third.step()

    assert told == {"boot_1": (_use(sampled_ms=5000),)}
    assert second.untold.earlier(10) == told
    assert agents.restart().untold.earlier(10) == {}


def test_a_part_of_earlier_totals_that_was_told_is_not_told_again(agents: Agents) -> None:
    agents.totals = [_use("all_1"), _use("all_2"), _use("all_3")]
    agents.spool.step()
    spool = agents.restart()
    first = spool.untold.earlier(2)
    spool.untold.take_earlier(first)

    assert first == {"boot_1": (_use("all_1"), _use("all_2"))}
    assert spool.untold.earlier(2) == {"boot_1": (_use("all_3"),)}


def test_an_agent_that_ends_well_leaves_only_what_it_has_not_told(agents: Agents) -> None:
    agents.totals = [_use("all_1"), _use("all_2")]
    agents.spool.step()
    agents.spool.close([_use("all_2")])
    agents.totals = []

    assert agents.start().untold.earlier(10) == {"boot_1": (_use("all_2"),)}


def test_every_earlier_agent_is_told_apart_so_that_nothing_is_counted_twice(agents: Agents) -> None:
    for sampled_ms in (1000, 2000):
        agents.totals = [_use(sampled_ms=sampled_ms)]
        agents.spool.step()
        agents.restart()

    assert agents.spool.untold.earlier(10) == {
        "boot_1": (_use(sampled_ms=1000),),
        "boot_2": (_use(sampled_ms=2000),),
    }


@pytest.mark.parametrize("slot", [0, 1, 2])
def test_a_totals_file_that_is_torn_leaves_the_one_before(agents: Agents, slot: int) -> None:
    assert agents.folder is not None
    for sampled_ms in (1000, 2000, 3000, 4000):
        agents.totals = [_use(sampled_ms=sampled_ms)]
        agents.spool.step()
        agents.clock.advance(1)
    torn = agents.folder / f"totals.{slot}"
    is_newest = b",4000," in torn.read_bytes()
    torn.write_bytes(torn.read_bytes()[:20])
    agents.restart()

    assert agents.spool.untold.earlier(10)["boot_1"][0].sampled_ms == (3000 if is_newest else 4000)


def test_what_was_synced_is_not_written_over_before_something_newer_is(agents: Agents) -> None:
    """Of files that were written and not synced, a loss of power may leave nothing."""
    assert agents.folder is not None
    synced = 0
    for at in range(1, 50):
        agents.totals = [_use(sampled_ms=at)]
        agents.spool.step()
        synced = at if at % 10 == 1 else synced
        whole = [file.read_text() for file in agents.folder.glob("totals.*")]
        agents.clock.advance(1)

        assert any(f",{synced}," in each for each in whole), "synced at the first second, and every ten"


@pytest.mark.parametrize("much", range(0, 700, 23))
def test_an_agent_that_dies_as_it_starts_leaves_what_the_one_before_had_seen(agents: Agents, much: int) -> None:
    agents.totals = [_use("all_1"), _use("all_2")]
    agents.spool.step()
    agents.kill()
    child = os.fork()
    if child == 0:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "pwrite", _until(much))
            with suppress(BaseException):
                agents.start()
                agents.totals = [_use("all_3", sampled_ms=9)]
                agents.spool.step()
        os._exit(0)
    os.waitpid(child, 0)
    agents.start()

    assert agents.spool.untold.earlier(10)["boot_1"] == (_use("all_1"), _use("all_2"))


CHILD = """
import sys, itertools
from pathlib import Path
from agents.spool.spool import Spool
from agents.events import Event
from agents.totals import Use

at = 0
def totals():
    return [Use(allocation=f"all_{n}", day=1_800_000_000, sampled_ms=at * 1000) for n in range(8)]

spool = Spool(Path(sys.argv[1]), boot=sys.argv[2], totals=totals)
for at in itertools.count(1):
    spool.record(Event(kind="xid", at=1.8e9, gpu="GPU-a", detail={"boot": sys.argv[2], "number": at}))
    spool.step()
    print(at, flush=True)
"""


def test_a_real_kill_at_any_time_loses_at_most_what_was_just_being_written(tmp_path: Path) -> None:
    folder, seen = tmp_path / "state", {}
    for boot, after in (("boot_1", 1), ("boot_2", 3), ("boot_3", 8), ("boot_4", 17), ("boot_5", 40)):
        seen[boot] = _killed(folder, boot, after)
    spool = Spool(folder, boot="boot_6", totals=list)
    earlier, events = spool.untold.earlier(1000), _all(spool)
    spool.close([])

    for boot, (least, most) in seen.items():
        told = {use.sampled_ms // 1000 for use in earlier[boot]}
        numbers = [event["detail"]["number"] for event in events if event["detail"]["boot"] == boot]
        assert len(told) == 1, "all of one write"
        assert least <= told.pop() <= most + 1
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= least
    assert [event["id"] for event in events] == sorted({event["id"] for event in events})


def _killed(folder: Path, boot: str, after: int) -> tuple[int, int]:
    """What a child had surely written when it was killed, and what it may have."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), boot], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    least = 0
    for _ in range(after):
        least = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split()
    process.wait(60)
    process.stdout.close()
    return least, int(rest[-1]) if rest else least


# --- events --------------------------------------------------------------------------------------------------------


def test_events_are_told_in_order_with_ids_that_count_up_over_restarts_until_they_are_taken(agents: Agents) -> None:
    for number in (1, 2):
        agents.spool.record(_event(number))
    agents.spool.step()
    agents.restart().record(_event(3))
    agents.spool.step()
    told = agents.spool.untold.events(10)
    agents.spool.untold.take_events(told[1]["id"])
    agents.spool.step()
    agents.restart()

    assert [event["detail"]["number"] for event in told] == [1, 2, 3]
    assert sorted({event["id"] for event in told}) == [event["id"] for event in told]
    assert _numbers(agents.spool) == [3]
    assert [NodeEvent.model_validate(event) for event in told]


def test_ids_count_up_even_when_all_were_taken_and_the_clock_went_back(agents: Agents) -> None:
    agents.spool.record(_event())
    agents.spool.step()
    before = agents.spool.untold.events(1)[0]["id"]
    agents.spool.untold.take_events(before)
    agents.spool.step()
    agents.clock.off_s = -1e6
    agents.restart().record(_event(2))

    assert agents.spool.untold.events(1)[0]["id"] > before


def test_an_agent_that_lost_its_folder_and_its_time_begins_after_what_the_allocator_has(agents: Agents) -> None:
    assert agents.folder is not None
    agents.clock.off_s = -1e6
    agents.kill()
    for file in agents.folder.iterdir():
        file.unlink()
    agents.start()
    for number in (1, 2):
        agents.spool.record(_event(number))
    agents.spool.step()
    agents.spool.record(_event(3))
    known = agents.clock.server_time() * 1000
    agents.spool.untold.take_events(int(known))
    agents.spool.step()
    told = agents.spool.untold.events(10)
    again = agents.restart().untold.events(10)

    assert [event["detail"]["number"] for event in told] == [1, 2, 3]
    assert told[0]["id"] > known
    assert again == told


def test_an_event_that_is_too_large_or_odd_is_cut_to_what_the_wire_takes(agents: Agents) -> None:
    detail = {
        "text": "x\n\ud800" * 5000,
        "not a word": 1,
        "number": 1 << 80,
        "ratio": float("inf"),
        **{f"n{index}": "y" * 900 for index in range(60)},
    }
    agents.spool.record(Event(kind="health", at=float("nan"), gpu="nothing", detail=detail))
    agents.spool.step()
    told = agents.spool.untold.events(1)[0]

    assert NodeEvent.model_validate(told).gpu is None
    assert told["detail"]["ratio"] is None
    assert agents.restart().untold.events(1) == [told]


def test_the_oldest_events_make_room_and_the_folder_stays_within_its_size(
    agents: Agents, caplog: pytest.LogCaptureFixture
) -> None:
    assert agents.folder is not None
    agents.totals = [_use()]
    largest = 0
    for number in range(3000):
        agents.spool.record(_event(number, text="x" * 900))
        if number % 100 == 99:
            agents.spool.step()
            largest = max(largest, sum(file.stat().st_size for file in agents.folder.iterdir()))
    agents.restart()
    left = [event["detail"]["number"] for event in _all(agents.spool)]

    assert largest <= 1 << 20
    assert left == list(range(left[0], 3000))
    assert agents.spool.untold.earlier(1) == {"boot_1": (_use(),)}
    assert 0 < left[0] < 2900
    assert _actions(caplog).count("spool.dropped") == 1


def test_what_was_dropped_is_counted(agents: Agents) -> None:
    for number in range(3000):
        agents.spool.record(_event(number, text="x" * 900))
        if number % 100 == 99:
            agents.spool.step()

    assert agents.spool.dropped + len(_all(agents.spool)) == 3000


def _all(spool: Spool) -> list[dict]:
    found: list[dict] = []
    while told := spool.untold.events(256):
        found += told
        spool.untold.take_events(told[-1]["id"])
        spool.step()
    return found


def test_an_outage_of_a_day_with_an_event_every_ten_seconds_fits_by_far(agents: Agents) -> None:
    agents.kill()
    agents.start(mib=50)
    assert agents.folder is not None
    for number in range(8640):
        agents.spool.record(_event(number, text="x" * 300))
        if number % 500 == 0:
            agents.spool.step()
    agents.spool.step()

    assert sum(file.stat().st_size for file in agents.folder.iterdir()) < 10 << 20
    assert agents.spool.dropped == 0
    assert agents.spool.waiting == 8640
    assert len(agents.spool.untold._front) <= 256, "what waits on disk takes no memory"
    assert [event["detail"]["number"] for event in _all(agents.spool)] == list(range(8640))
    assert sum(file.stat().st_size for file in agents.folder.iterdir()) < 1 << 20


def test_events_that_are_not_on_disk_wait_for_those_that_are(agents: Agents) -> None:
    for number in range(400):
        agents.spool.record(_event(number))
    agents.spool.step()
    agents.spool.record(_event(400))

    assert _numbers(agents.spool) == list(range(256))
    assert [event["detail"]["number"] for event in _all(agents.spool)] == list(range(401))


def test_what_is_taken_while_the_disk_is_read_is_not_told_again() -> None:
    untold = Untold(0)
    for number in range(10):
        untold.add(_event(number))
    events = untold.events(10)
    untold.written(10)
    untold.take_events(4)
    untold.at_hand(events, waiting=10)

    assert [event["id"] for event in untold.events(10)] == list(range(5, 11))


@pytest.mark.parametrize("part", [index / 20 for index in range(20)])
@pytest.mark.parametrize("name", ["events", "totals.0", "totals.1", "earlier.1"])
def test_a_file_that_is_cut_off_anywhere_leaves_what_came_before(agents: Agents, name: str, part: float) -> None:
    assert agents.folder is not None
    agents.totals = [_use()]
    for number in range(5):
        agents.spool.record(_event(number))
    agents.spool.step()
    agents.restart().step()
    last = agents.spool.untold.events(10)[-1]["id"]
    agents.kill()
    file = agents.folder / name
    os.truncate(file, int(part * file.stat().st_size))
    agents.clock.advance(1)
    agents.start().record(_event(5))
    agents.spool.step()
    numbers = _numbers(agents.restart())

    assert numbers == [*range(len(numbers) - 1), 5]
    assert len(numbers) == 6 or name == "events"
    assert agents.spool.untold.events(10)[-1]["id"] > last


# --- bad days ------------------------------------------------------------------------------------------------------


def test_without_a_folder_all_is_kept_in_memory_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    agents = Agents(None)
    for number in range(3000):
        agents.spool.record(_event(number))
    agents.spool.step()

    assert _numbers(agents.spool, 3000) == list(range(952, 3000))
    assert (agents.spool.dropped, agents.spool.trouble) == (952, None)
    assert _actions(caplog) == ["spool.none", "spool.dropped"]


def _is_a_file(folder: Path) -> Callable[[], None]:
    folder.write_text("")
    return folder.unlink


def _has_a_folder_for_a_file(folder: Path) -> Callable[[], None]:
    (folder / "events").mkdir(parents=True)
    return (folder / "events").rmdir


def _has_a_pipe_for_a_file(folder: Path) -> Callable[[], None]:
    folder.mkdir()
    os.mkfifo(folder / "totals.1")
    return (folder / "totals.1").unlink


@pytest.mark.parametrize("broken", [_is_a_file, _has_a_folder_for_a_file, _has_a_pipe_for_a_file])
def test_a_folder_that_cannot_be_used_is_said_once_and_used_when_it_can_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: Callable[[Path], Callable[[], None]]
) -> None:
    caplog.set_level("INFO")
    mend = broken(tmp_path / "state")
    agents = Agents(tmp_path / "state")
    agents.totals = [_use()]
    for number in range(3):
        agents.spool.record(_event(number))
        agents.clock.advance(11)
        agents.spool.step()
    told, trouble = _numbers(agents.spool), agents.spool.trouble
    mend()
    agents.clock.advance(11)
    agents.spool.step()
    actions = _actions(caplog)
    agents.restart()

    assert told == _numbers(agents.spool) == [0, 1, 2]
    assert agents.spool.untold.earlier(1) == {"boot_1": (_use(),)}
    assert trouble is not None
    assert actions == ["spool.failed", "spool.recovered"]
    agents.kill()


def test_a_disk_that_fills_up_loses_nothing_that_fits_into_memory(
    agents: Agents, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, room = os.pwrite, [500]

    def pwrite(descriptor: int, content: bytes, at: int) -> int:
        part = min(len(content), room[0])
        if part == 0:
            raise OSError(28, "No space left on device")
        room[0] -= part
        return real(descriptor, content[:part], at)

    agents.spool.step()
    monkeypatch.setattr(os, "pwrite", pwrite)
    for number in range(9):
        agents.spool.record(_event(number))
        agents.clock.advance(11)
        agents.spool.step()
    full = (_numbers(agents.spool), agents.spool.trouble)
    room[0] = 1 << 30
    agents.clock.advance(11)
    agents.spool.step()
    told = agents.spool.untold.events(100)
    again = agents.restart().untold.events(100)

    assert full == (list(range(9)), "No space left on device")
    assert [event["detail"]["number"] for event in told] == list(range(9))
    assert again == told
    assert _actions(caplog)[:2] == ["spool.failed", "spool.damaged"]


def test_two_agents_on_one_folder_are_not_possible(agents: Agents) -> None:
    with pytest.raises(FolderInUse, match=r"another agent uses the state folder .*DURE_AGENT_STATE of its own"):
        agents.start()


@pytest.mark.parametrize("name", ["events", "totals.0", "totals.1", "totals.2", "earlier.0", "earlier.1", "earlier.2"])
@pytest.mark.parametrize("garbage", [b"", b"\0" * 5000, os.urandom(3000), b"[" * 20_000, b"00000000 5 {}", b"\n\n\n"])
def test_a_file_of_garbage_is_passed_over_and_what_is_whole_is_used(agents: Agents, name: str, garbage: bytes) -> None:
    assert agents.folder is not None
    agents.totals = [_use()]
    agents.spool.record(_event())
    agents.spool.step()
    agents.restart()
    agents.spool.step()
    agents.kill()
    (agents.folder / name).write_bytes(garbage)
    agents.start().record(_event(2))
    agents.spool.step()

    assert agents.spool.trouble is None
    assert _numbers(agents.restart())[-1] == 2


# --- any history ---------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.integers(1, 5)),
        st.tuples(st.just("step"), st.just(0)),
        st.tuples(st.just("take"), st.integers(1, 8)),
        st.tuples(st.just("kill"), st.just(0)),
        st.tuples(st.just("cut"), st.integers(0, 1500)),
        st.tuples(st.just("spoil"), st.integers(0, 4000)),
    ),
    max_size=40,
)


class Killed(BaseException):
    pass


@given(steps=STEPS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_history_of_kills_and_cuts_loses_what_was_synced_or_repeats_what_was_taken(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    """`cut` is a death in the middle of writing, after so many bytes. `spoil` is garbage that came to be at the end of the file."""
    agents = Agents(tmp_path_factory.mktemp("any") / "state")
    number, taken = 0, set[int]()
    waiting, synced = list[int](), list[int]()
    for what, much in steps:
        if what == "record":
            for _ in range(much):
                number += 1
                agents.spool.record(_event(number))
                waiting.append(number)
        elif what == "step":
            agents.spool.step()
            synced = list(waiting)
        elif what == "take":
            told = agents.spool.untold.events(much)
            if told:
                agents.spool.untold.take_events(told[-1]["id"])
            agents.spool.step()
            taken |= {event["detail"]["number"] for event in told}
            synced = [each for each in waiting if each not in taken]
            waiting = list(synced)
        else:
            agents.totals = [_use(sampled_ms=number)]
            _die(agents, what, much)
            agents.start()
            told_now = _numbers(agents.spool)
            assert told_now[: len(synced)] == synced
            assert told_now == waiting[: len(told_now)]
            assert agents.spool.trouble is None
            waiting, synced = list(told_now), list(told_now)
        assert _numbers(agents.spool) == waiting
    agents.kill()


def _die(agents: Agents, what: str, much: int) -> None:
    assert agents.folder is not None
    if what == "cut":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "pwrite", _until(much))
            with suppress(Killed):
                agents.spool.step()
    agents.kill()
    if what == "spoil":
        with (agents.folder / "events").open("ab") as file:
            file.write(os.urandom(much))


def _until(left: int) -> Callable[[int, bytes, int], int]:
    """`pwrite` for a process that dies once it has written so many bytes."""
    real, budget = os.pwrite, [left]

    def pwrite(descriptor: int, content: bytes, at: int) -> int:
        part = content[: budget[0]]
        budget[0] -= len(part)
        written = real(descriptor, part, at)
        if len(part) < len(content):
            raise Killed
        return written

    return pwrite
