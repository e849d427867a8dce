import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from agents.reporting import readings
from agents.reporting.connection import Connection
from agents.reporting.report import LEAST_GAP_S, Reporter, new_boot
from agents.sampler import Sampler
from dure.wire import Report
from tests.unit.agents.allocator import Allocator, Reply, a_problem
from tests.unit.agents.builders import SERVER_AHEAD_S, Hand, ScriptedDriver, a_gpu, an_allocation

Step = Callable[..., float]


@pytest.fixture
def step(sampler: Sampler, reporter: Reporter, clock: Hand) -> Step:
    """Lets time pass, takes a sample, then lets the reporter do what it will."""

    def stepped(seconds: float = 0.0) -> float:
        clock.advance(seconds)
        sampler.step()
        return reporter.step()

    return stepped


def _actions(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.__dict__["action"] for record in caplog.records if record.levelname in ("ERROR", "WARNING")]


def test_nothing_is_reported_before_there_is_a_sample(reporter: Reporter, allocator: Allocator) -> None:
    reporter.step()

    assert allocator.reports == []


def test_the_first_report_goes_at_once_and_the_next_after_the_interval(step: Step, allocator: Allocator) -> None:
    pause = step()
    for _ in range(8):
        step(1)
    early = len(allocator.reports)
    step(3)

    assert 9 <= pause <= 11
    assert early == 1
    assert [report.seq for report in allocator.reports] == [1, 2]
    assert {report.boot for report in allocator.reports} == {"boot_1"}


# --- the handshake of an end ---------------------------------------------------------------------------------------


def test_readings_taken_before_the_end_was_known_are_never_its_proof(
    step: Step, reporter: Reporter, clock: Hand, allocator: Allocator
) -> None:
    allocator.allocations = [an_allocation(ended=True)]
    step()  # its answer tells of the end
    clock.advance(11)
    reporter.step()  # due again, with no newer sample than the one from before

    assert [report.knew_ended for report in allocator.reports] == [[], []]


def test_readings_taken_after_the_end_was_known_name_it(step: Step, allocator: Allocator) -> None:
    allocator.allocations = [an_allocation(ended=True), an_allocation("on", gpu="GPU-b")]
    step()
    step(11)

    assert [report.knew_ended for report in allocator.reports] == [[], ["all_1"]]


def test_an_end_told_while_the_driver_is_read_is_not_known_by_that_reading(
    step: Step, reporter: Reporter, driver: ScriptedDriver, clock: Hand, allocator: Allocator
) -> None:
    step()
    allocator.allocations = [an_allocation(ended=True)]
    clock.advance(11)
    driver.during = [reporter.step]
    # In the middle of this reading the reporter sends the older sample and is told of the end.
    step()
    clock.advance(11)
    reporter.step()
    step(1)

    assert [report.knew_ended for report in allocator.reports] == [[], [], [], ["all_1"]]


def test_a_gpu_seen_empty_after_its_lease_is_reported_at_once(
    step: Step, driver: ScriptedDriver, allocator: Allocator
) -> None:
    allocator.allocations = [an_allocation(ended=True)]
    step()
    step(1)  # its process is still there: no news
    held = len(allocator.reports)
    driver.says([a_gpu(processes=0, memory_used_bytes=0)])
    step(1)
    step(1)

    assert held == 1
    assert [(report.knew_ended, report.gpus[0].processes) for report in allocator.reports] == [
        ([], 1),
        (["all_1"], 0),
    ]


def test_unseen_processes_are_no_news(step: Step, driver: ScriptedDriver, allocator: Allocator) -> None:
    allocator.allocations = [an_allocation(ended=True)]
    step()
    driver.says([a_gpu(processes=None)])
    step(1)

    assert len(allocator.reports) == 1


def test_memory_that_falls_while_a_gpu_is_proved_empty_is_reported(
    step: Step, driver: ScriptedDriver, allocator: Allocator
) -> None:
    allocator.allocations = [an_allocation(ended=True)]
    step()
    for used in (4 << 30, 4 << 30, 1 << 20):
        driver.says([a_gpu(processes=0, memory_used_bytes=used)])
        step(1)

    assert [report.gpus[0].memory_used_bytes for report in allocator.reports] == [10 << 30, 4 << 30, 1 << 20]


# --- what else is news ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "gpus",
    [
        pytest.param([a_gpu(health="unhealthy", health_reason="the GPU is lost")], id="a lost GPU"),
        pytest.param([a_gpu(), a_gpu("GPU-b")], id="a GPU more"),
        pytest.param([], id="a GPU less"),
    ],
)
def test_changes_of_health_and_devices_are_reported_at_once_but_not_too_fast(
    step: Step, driver: ScriptedDriver, allocator: Allocator, gpus: list
) -> None:
    step()
    driver.says(gpus)
    wait = step(0.05)
    soon = len(allocator.reports)
    step(0.16)

    assert (soon, wait) == (1, pytest.approx(LEAST_GAP_S - 0.05))
    assert len(allocator.reports[1].gpus) == len(gpus)


def test_a_load_that_changes_waits_for_the_interval(step: Step, driver: ScriptedDriver, allocator: Allocator) -> None:
    step()
    driver.says([a_gpu(utilization_percent=99)])
    step(5)

    assert len(allocator.reports) == 1


def test_a_driver_that_hangs_is_reported_without_any_sample(
    step: Step, reporter: Reporter, clock: Hand, allocator: Allocator
) -> None:
    step()
    clock.advance(4)
    reporter.step()
    clock.advance(11)
    reporter.step()

    assert [report.gpus[0].health for report in allocator.reports] == ["ok", "suspect", "suspect"]
    assert allocator.reports[1].gpus[0].utilization_percent is None


# --- what an answer teaches ------------------------------------------------------------------------------------------


def test_allocations_come_from_the_answer_with_the_allocators_time(
    step: Step, sampler: Sampler, clock: Hand, allocator: Allocator
) -> None:
    allocator.allocations = [an_allocation()]
    step()

    assert sampler.allocations.items == (an_allocation(),)
    assert sampler.allocations.server_time(clock.at) == pytest.approx(clock.server_time())


@pytest.mark.parametrize("off_s", [-86_400.0, 86_400.0])
def test_a_clock_a_day_off_changes_nothing_but_what_is_said_of_it(
    step: Step, sampler: Sampler, clock: Hand, allocator: Allocator, caplog: pytest.LogCaptureFixture, off_s: float
) -> None:
    clock.off_s = off_s
    allocator.allocations = [an_allocation(starts=1000, stops=1600)]
    step()
    for _ in range(12):
        step(1)

    assert allocator.reports[0].sent_at == 1000 + SERVER_AHEAD_S + off_s
    assert set(sampler.allocations.running(clock.at)) == {"GPU-a"}
    assert [usage.sampled_ms for usage in sampler.totals.usage()] == [12_000]
    assert _actions(caplog) == ["clock.off"]


def test_a_clock_that_jumps_under_way_changes_nothing_either(
    step: Step, sampler: Sampler, clock: Hand, allocator: Allocator
) -> None:
    allocator.allocations = [an_allocation(starts=1000, stops=1600)]
    step()
    for off_s in (3600.0, -3600.0, 0.0):
        clock.off_s = off_s
        step(1)

    assert [usage.sampled_ms for usage in sampler.totals.usage()] == [3000]


def test_totals_are_dropped_only_once_the_final_ones_were_taken(
    step: Step, sampler: Sampler, allocator: Allocator
) -> None:
    allocator.allocations = [an_allocation()]
    step()
    for _ in range(5):
        step(1)
    allocator.allocations = []
    allocator.replies = [Reply(503)]
    step(10)  # not taken
    missed = sampler.totals.usage()
    step(30)  # taken, and the answer lists it no more
    step(11)

    assert [usage.allocation for usage in missed] == ["all_1"]
    assert [use.model_dump(mode="json") for use in allocator.reports[-2].usage] == readings.usage(missed)
    assert (allocator.reports[-1].usage, sampler.totals.usage()) == ([], [])


# --- bad days ------------------------------------------------------------------------------------------------------


def test_an_outage_loses_nothing_and_keeps_nothing_but_totals(
    step: Step, sampler: Sampler, reporter: Reporter, allocator: Allocator
) -> None:
    allocator.allocations = [an_allocation(stops=9000)]
    step()
    allocator.replies = [Reply(503) for _ in range(500)]
    for _ in range(3600):
        step(1)
    tries = len(allocator.reports) - 1
    allocator.replies = []
    for _ in range(11):
        step(1)

    assert 3600 / 10 <= tries < 3600 / 5, "about as often as ever, and not hammering"
    assert reporter.trouble is None
    assert allocator.reports[-1].usage[0].sampled_ms >= 3_600_000
    assert [report.seq for report in allocator.reports] == list(range(1, len(allocator.reports) + 1))


def test_an_allocator_that_is_gone_is_tried_again_until_it_is_back(
    step: Step, reporter: Reporter, connection: Connection, allocator: Allocator, caplog: pytest.LogCaptureFixture
) -> None:
    there = connection._server
    connection._server = urlsplit("http://127.0.0.1:9")
    for _ in range(20):
        step(1)
    failed = reporter.outcomes["unreachable"]
    connection._server = there
    for _ in range(20):
        step(1)

    assert failed >= 3
    assert reporter.trouble is None
    assert _actions(caplog) == ["report.unreachable"], "one line, not one a try"


def test_retry_after_is_kept_to_even_when_there_are_news(
    step: Step, driver: ScriptedDriver, allocator: Allocator
) -> None:
    allocator.replies = [a_problem(503, "unavailable", **{"Retry-After": "40"})]
    step()
    driver.says([a_gpu(health="unhealthy")])
    for _ in range(39):
        step(1)
    waited = len(allocator.reports)
    step(1.1)

    assert (waited, len(allocator.reports)) == (1, 2)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "token_invalid"),
        (403, "wrong_node"),
        (404, "unknown_node"),
        (409, "gpu_claimed"),
        (413, "too_large"),
        (422, "invalid_request"),
    ],
)
def test_a_refusal_is_said_once_and_tried_slowly_until_somebody_mends_it(
    step: Step, reporter: Reporter, allocator: Allocator, caplog: pytest.LogCaptureFixture, status: int, code: str
) -> None:
    allocator.replies = [a_problem(status, code) for _ in range(3)]
    for _ in range(150):
        step(1)
    tries = len(allocator.reports)
    for _ in range(100):
        step(1)

    assert tries in (3, 4)
    assert reporter.outcomes["refused"] == 3
    assert reporter.trouble is None, "mended without a restart"
    assert _actions(caplog) == ["report.refused"]


def test_a_renewed_token_is_used_without_a_restart(step: Step, token: Path, allocator: Allocator) -> None:
    allocator.replies = [a_problem(401, "token_expired")]
    token.write_text("second")
    step()
    step(LEAST_GAP_S)

    assert [headers["Authorization"] for _, headers in allocator.requests] == ["Bearer first", "Bearer second"]


def test_a_stale_report_is_followed_by_a_fresh_one_soon(step: Step, reporter: Reporter, allocator: Allocator) -> None:
    allocator.replies = [a_problem(409, "stale_report")]
    step()
    step(1)

    assert [report.seq for report in allocator.reports] == [1, 2]
    assert reporter.trouble is None


def test_garbage_teaches_nothing(step: Step, sampler: Sampler, reporter: Reporter, allocator: Allocator) -> None:
    allocator.allocations = [an_allocation()]
    step()
    allocator.replies = [Reply(200, b"<html>")]
    step(11)

    assert sampler.allocations.items == (an_allocation(),)
    assert reporter.outcomes == {"ok": 1, "garbage": 1}


# --- the second version ----------------------------------------------------------------------------------------------


def test_after_a_whole_report_only_what_changed_is_sent(
    step: Step, driver: ScriptedDriver, allocator: Allocator
) -> None:
    step()
    driver.says([a_gpu(utilization_percent=7)])
    step(11)

    assert [(report.base, len(report.gpus), len(report.changed)) for report in allocator.sent] == [
        (None, 1, 0),
        (1, 0, 1),
    ]
    assert allocator.reports[1].gpus[0].utilization_percent == 7


def test_an_allocator_that_lost_what_it_knew_is_told_all_of_it_at_once(
    step: Step, sampler: Sampler, reporter: Reporter, allocator: Allocator
) -> None:
    allocator.allocations = [an_allocation()]
    step()
    allocator.restart()
    allocator.allocations = []
    step(11)
    still = sampler.allocations.items
    step(LEAST_GAP_S)

    assert [report.base for report in allocator.sent] == [None, 1, None]
    assert still == (an_allocation(),), "who could not read the report says nothing of what it holds"
    assert sampler.allocations.items == ()
    assert reporter.outcomes == {"ok": 3}


def test_a_report_of_which_nobody_knows_whether_it_came_is_followed_by_a_whole_one(
    step: Step, allocator: Allocator
) -> None:
    step()
    allocator.replies = [Reply(502, b"")]
    step(11)
    step(11)

    assert [report.base for report in allocator.sent] == [None, 1, None]


def test_a_regular_report_is_no_sooner_than_the_allocator_asks_and_news_go_at_once(
    step: Step, driver: ScriptedDriver, allocator: Allocator
) -> None:
    def asks(seq: int) -> Reply:
        return allocator.answer(allocator.sent[-1] if allocator.sent else _nothing(seq), seq=seq, report_in_s=60.0)

    allocator.replies = [asks(1)]
    step()
    for _ in range(59):
        step(1)
    waited = len(allocator.sent)
    driver.says([a_gpu(health="suspect")])
    allocator.replies = [asks(2)]
    step(0.5)

    assert (waited, len(allocator.sent)) == (1, 2)


def _nothing(seq: int) -> Report:
    return Report(boot="boot_1", seq=seq, sent_at=1.0, interval_s=10, agent_version="1", gpus=[])


def test_an_allocator_of_the_release_before_is_told_its_own_version_at_once(
    step: Step, reporter: Reporter, allocator: Allocator, caplog: pytest.LogCaptureFixture
) -> None:
    allocator.replies = [a_problem(422, "invalid_request", "version", "violations")]
    step()
    step(LEAST_GAP_S)
    step(11)

    assert [report.version for report in allocator.sent] == [2, 1, 2], "the last answer was of one that knows it"
    assert reporter.trouble is None
    assert _actions(caplog) == ["report.old"]


def test_a_number_of_processes_that_changed_is_reported_at_once(
    step: Step, driver: ScriptedDriver, allocator: Allocator
) -> None:
    step()
    for processes in (None, 1, 2, None, 2):
        driver.says([a_gpu(processes=processes)])
        step(1)

    assert [report.gpus[0].processes for report in allocator.reports] == [1, 2]


@pytest.mark.parametrize("off_s", [-3.0, 0.0, 3.0])
def test_how_far_the_nodes_clock_is_off_is_measured(
    step: Step, reporter: Reporter, clock: Hand, allocator: Allocator, off_s: float
) -> None:
    before = reporter.clock_offset_s
    clock.off_s = off_s
    step()

    assert before is None
    assert reporter.clock_offset_s == pytest.approx(off_s)


# --- the thread ----------------------------------------------------------------------------------------------------


def test_the_thread_wakes_for_news_and_sends_the_last_totals_when_it_is_told_to_stop(
    sampler: Sampler, reporter: Reporter, allocator: Allocator
) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=reporter.run, args=(stop,), daemon=True)
    thread.start()
    sampler.step()
    assert allocator.came.wait(60)
    stop.set()
    reporter.wake()
    thread.join(60)

    assert not thread.is_alive()
    assert [report.seq for report in allocator.reports] == [1, 2]


def test_every_start_of_an_agent_is_another_boot() -> None:
    assert new_boot() != new_boot()
