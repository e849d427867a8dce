import threading

import pytest

from agents.driver import DriverError
from agents.sampler import Sampler
from tests.unit.agents.builders import Hand, ScriptedDriver, a_gpu, allocations, an_allocation


def _step(sampler: Sampler, clock: Hand, seconds: float = 1) -> None:
    clock.advance(seconds)
    sampler.step()


def test_before_the_first_sample_there_is_nothing_to_say(sampler: Sampler) -> None:
    assert (sampler.view(), sampler.newest, sampler.silent_s) == (None, None, None)


def test_a_sample_is_what_the_driver_said_when_it_was_asked(sampler: Sampler, clock: Hand) -> None:
    sampler.step()
    sample = sampler.view()

    assert sample is not None
    assert sample.snapshot.gpus == (a_gpu(),)
    assert sample.at == clock.at


def test_processes_are_asked_of_all_once_and_then_at_the_edges_of_leases(
    sampler: Sampler, driver: ScriptedDriver, clock: Hand
) -> None:
    sampler.step()
    _step(sampler, clock)
    sampler.follow(allocations(an_allocation(starts=1000, stops=1600)))
    _step(sampler, clock)
    clock.at = 1300
    _step(sampler, clock)
    sampler.follow(allocations(an_allocation(ended=True)))
    _step(sampler, clock)

    assert driver.asked == [None, set(), {"GPU-a"}, set(), {"GPU-a"}]


def test_the_driver_is_told_of_allocations_once_an_answer(
    sampler: Sampler, driver: ScriptedDriver, clock: Hand
) -> None:
    known = allocations(an_allocation())
    sampler.follow(known)
    _step(sampler, clock)
    _step(sampler, clock)

    assert driver.followed == [known]


def test_a_sample_knows_only_what_was_known_before_its_reading_began(clock: Hand) -> None:
    driver = ScriptedDriver([a_gpu()])
    sampler = Sampler(driver, sample_s=1, monotonic=clock.monotonic, now=clock.wall)
    # The answer that tells of the end comes while the driver is being read.
    driver.during = [lambda: sampler.follow(allocations(an_allocation(ended=True)))]

    sampler.step()
    during = sampler.newest
    _step(sampler, clock)
    after = sampler.newest

    assert during is not None
    assert after is not None
    assert during.allocations.ended() == frozenset()
    assert after.allocations.ended() == {"all_1"}


def test_time_between_samples_goes_to_the_lease_that_holds_the_gpu(sampler: Sampler, clock: Hand) -> None:
    known = allocations(an_allocation())
    sampler.totals.settle([], listed=known.listed())
    sampler.follow(known)
    for _ in range(4):
        _step(sampler, clock)

    assert [(usage.allocation, usage.sampled_ms, usage.busy_ms) for usage in sampler.totals.usage()] == [
        ("all_1", 3000, 1500)
    ]


@pytest.mark.parametrize(
    ("health", "want"),
    [
        pytest.param("ok", "suspect", id="a GPU that was well is suspect"),
        pytest.param("unhealthy", "unhealthy", id="one that was sick stays so"),
    ],
)
def test_a_driver_that_hangs_is_said_so_and_since_when(clock: Hand, health: str, want: str) -> None:
    sampler = Sampler(ScriptedDriver([a_gpu(health=health)]), sample_s=1, monotonic=clock.monotonic, now=clock.wall)
    sampler.follow(allocations(an_allocation(ended=True)))
    sampler.step()
    clock.advance(3.5)
    view = sampler.view()

    assert view is not None
    gpu = view.snapshot.gpus[0]
    assert (gpu.uuid, gpu.health, gpu.processes, gpu.utilization_percent) == ("GPU-a", want, None, None)
    assert gpu.health_reason == "no answer from the driver since 2027-01-15T08:16:40+00:00"
    assert sampler.silent_s == 3.5
    assert view.allocations.ended() == frozenset(), "what was not read proves nothing"


def _said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    return [(record.levelname, vars(record)["action"], record.getMessage()) for record in caplog.records]


def test_that_the_gpus_fall_silent_is_said_once_and_so_is_that_they_answer(
    sampler: Sampler, clock: Hand, caplog: pytest.LogCaptureFixture
) -> None:
    sampler.step()
    sampler.view()
    caplog.clear()
    caplog.set_level("INFO")
    for seconds in (2.5, 1, 60):
        clock.advance(seconds)
        sampler.view()
    silent = _said(caplog)
    sampler.step()
    sampler.view()
    sampler.view()
    clock.advance(4)
    sampler.view()

    ((level, action, sentence),) = silent
    assert (level, action) == ("ERROR", "sample.silent")
    assert "have not answered for 4 s, since 2027-01-15T08:16:40+00:00: " in sentence
    assert "the kernel's log" in sentence
    assert [action for _, action, _ in _said(caplog)] == ["sample.silent", "sample.answers", "sample.silent"]


def test_gpus_that_never_answered_are_silent_since_the_start(
    sampler: Sampler, clock: Hand, caplog: pytest.LogCaptureFixture
) -> None:
    clock.advance(2)
    early = sampler.view(), sampler.silent_s
    clock.advance(2)

    assert (early, sampler.view(), sampler.silent_s) == ((None, None), None, 4)
    assert "have not answered for 4 s, since 2027-01-15T08:16:40+00:00: " in caplog.text


def test_readings_come_back_with_the_driver(sampler: Sampler, clock: Hand) -> None:
    sampler.step()
    clock.advance(60)
    sampler.step()
    view = sampler.view()

    assert view is not None
    assert view.snapshot.gpus == (a_gpu(),)
    assert sampler.totals.usage() == []


def test_a_driver_that_fails_is_logged_once_and_its_error_is_the_reason(
    clock: Hand, caplog: pytest.LogCaptureFixture
) -> None:
    driver = ScriptedDriver([a_gpu()], DriverError("NVML does not answer: Uninitialized"))
    sampler = Sampler(driver, sample_s=1, monotonic=clock.monotonic, now=clock.wall)
    for _ in range(6):
        _step(sampler, clock)
    view = sampler.view()

    assert view is not None
    assert "NVML does not answer: Uninitialized" in (view.snapshot.gpus[0].health_reason or "")
    assert [record.__dict__["action"] for record in caplog.records if record.levelname == "ERROR"] == ["sample.failed"]


def test_gpus_that_are_gone_are_gone_from_the_view(clock: Hand) -> None:
    driver = ScriptedDriver([a_gpu("GPU-a"), a_gpu("GPU-b")], [a_gpu("GPU-b")])
    sampler = Sampler(driver, sample_s=1, monotonic=clock.monotonic, now=clock.wall)
    sampler.step()
    _step(sampler, clock)
    view = sampler.view()

    assert view is not None
    assert list(view.gpus()) == ["GPU-b"]


def test_whoever_listens_is_told_after_each_sample(sampler: Sampler, clock: Hand) -> None:
    seen: list[float] = []
    sampler.tell(lambda: seen.append(sampler.newest.at if sampler.newest else -1))
    sampler.step()
    _step(sampler, clock)

    assert seen == [1000, 1001]


def test_hidden_processes_are_said_at_the_start(
    sampler: Sampler, driver: ScriptedDriver, caplog: pytest.LogCaptureFixture
) -> None:
    driver.sees_processes = False
    sampler.step()

    assert [record.__dict__["action"] for record in caplog.records if record.levelname == "WARNING"] == [
        "processes.unavailable"
    ]


def test_a_hung_call_keeps_nobody_else_waiting(clock: Hand) -> None:
    hung, entered = threading.Event(), threading.Event()
    driver = ScriptedDriver([a_gpu()])
    sampler = Sampler(driver, sample_s=1, monotonic=clock.monotonic, now=clock.wall)
    sampler.step()
    driver.during = [lambda: (entered.set(), hung.wait(60))]
    thread = threading.Thread(target=sampler.step, daemon=True)
    thread.start()
    assert entered.wait(60)
    clock.advance(30)

    sampler.follow(allocations(an_allocation()))
    view = sampler.view()
    hung.set()
    thread.join(60)

    assert view is not None
    assert view.snapshot.gpus[0].health == "suspect"


def test_the_thread_samples_at_once_when_allocations_change_and_ends_when_told() -> None:
    taken = threading.Event()
    driver = ScriptedDriver([a_gpu()])
    sampler = Sampler(driver, sample_s=3600)
    sampler.tell(taken.set)
    stop = threading.Event()
    thread = threading.Thread(target=sampler.run, args=(stop,), daemon=True)
    thread.start()
    assert taken.wait(60)
    taken.clear()

    sampler.follow(allocations(an_allocation(ended=True)))

    assert taken.wait(60)
    stop.set()
    sampler.wake()
    thread.join(60)
    assert not thread.is_alive()


def test_the_next_sample_keeps_to_the_grid_of_the_first(sampler: Sampler, clock: Hand) -> None:
    clock.at = 1002.5

    assert sampler._after(1000) == 1003
    assert sampler._after(1003) == 1003, "a sample taken early shifts nothing"
