"""What is decided of a GPU, on values alone: the table's ways back, the hold-down, and what always holds of both."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.health import judging, verdicts
from agents.health.damping import hold_s
from agents.health.facts import Facts
from agents.health.judging import State, Verdict
from agents.snapshot import HEALTHS, GpuSnapshot, Process

TABLE = verdicts.load()
WALL = 1_800_000_000.0
FIRST_S, LONGEST_S = TABLE.hold.first_s, TABLE.hold.longest_s


class Patient:
    """A GPU that is judged once a second; `sees` what it is told and remembers what it was judged."""

    def __init__(self, **usual: Any) -> None:
        self.usual = {"boot": "b1", "energy_millijoules": 1000, "ecc_uncorrected": 0, "nvlinks_active": 18, **usual}
        self.state = State()
        self.at = 100.0
        self.said = Verdict()
        self.changes: list[tuple[float, str]] = []

    def sees(self, *, for_s: int = 1, step_s: int = 1, **now: Any) -> Verdict:
        seen = {**self.usual, **now}
        told = {name: seen.pop(name) for name in ("boot", "xids", "passed", "why") if name in seen}
        processes = tuple(Process(pid=pid) for pid in sorted(seen.pop("pids", ())))
        reading = GpuSnapshot(uuid="GPU-a", index=0, product="H100", seen=processes, **seen)
        for _ in range(0, for_s, step_s):
            before = self.said.health
            facts = Facts(reading=reading, wall=WALL + self.at, **told)
            self.state, self.said = judging.judge(self.state, facts, TABLE, self.at)
            if self.said.health != before:
                self.changes.append((self.at, self.said.health))
            self.at += step_s
        return self.said

    def is_usually(self, **facts: Any) -> None:
        self.usual.update(facts)

    def restarts_its_agent(self, *, boot: str | None = None) -> None:
        same = boot is None
        self.is_usually(boot=boot or self.usual["boot"])
        self.state = judging.taken_up(self.state, same_boot=same, now=self.at, wall=WALL + self.at)


def test_a_gpu_with_nothing_wrong_is_ok() -> None:
    assert Patient().sees(for_s=100) == Verdict(health="ok", reason=None)


@pytest.mark.parametrize(
    ("seen", "want"),
    [
        pytest.param(
            {"xids": (79,)},
            ("unhealthy", "XID 79: the GPU has fallen off the bus; restart the node"),
            id="an XID after which the node must be restarted",
        ),
        pytest.param({"xids": (13,)}, ("ok", None), id="an XID that is the application's"),
        pytest.param(
            {"xids": (999,)},
            ("suspect", "XID 999: unknown XID; it comes back once that is over"),
            id="an XID that nobody knows",
        ),
        pytest.param(
            {"trouble": "power: Unknown Error"},
            ("suspect", "the driver fails on a plain reading: power: Unknown Error; it comes back once that is over"),
            id="a reading that failed",
        ),
        pytest.param(
            {"xids": (48, 13, 38), "trouble": "Timeout"},
            ("unhealthy", "XID 48: memory had an error that ECC could not correct; reset the GPU (and 2 more)"),
            id="the worst one is said",
        ),
        pytest.param(
            {"lost": "lost"},
            ("unhealthy", "the GPU is lost: it does not answer, as one that fell off the bus; reset the GPU"),
            id="a lost GPU",
        ),
        pytest.param(
            {"lost": "reset_required"},
            ("unhealthy", "the GPU says that it must be reset before it can be used; reset the GPU"),
            id="a GPU that must be reset",
        ),
        pytest.param(
            {"ecc_uncorrected": 2},
            (
                "suspect",
                "memory had errors that ECC could not correct: 2 since the last reset; reset the GPU",
            ),
            id="errors that were there before anybody looked",
        ),
        pytest.param(
            {"remap_pending": True},
            ("suspect", "a row of memory waits for a reset to be replaced; reset the GPU"),
            id="a row that waits for a reset",
        ),
        pytest.param(
            {"remap_failed": True},
            (
                "unhealthy",
                "a row of memory could not be replaced, as no spare one is left; have it replaced, then say so with --forget",
            ),
            id="no row left",
        ),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(seen: dict[str, Any], want: tuple[str, str | None]) -> None:
    said = Patient().sees(**seen)

    assert (said.health, said.reason) == want


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param({"temperature_celsius": 92, "slowdown_celsius": 92}, id="hot"),
        pytest.param({"throttle_reasons": ("hw_slowdown", "sw_power_cap")}, id="slowed by its hardware"),
        pytest.param({"nvlinks_active": 17}, id="a link less than it had"),
    ],
)
def test_what_passes_soon_is_nothing_and_what_lasts_is_something(seen: dict[str, Any]) -> None:
    gpu = Patient()
    gpu.sees()
    brief = [gpu.sees(for_s=8, **seen).health, gpu.sees(for_s=5).health, gpu.sees(for_s=8, **seen).health]

    assert brief == ["ok", "ok", "ok"]
    assert gpu.sees(for_s=60, **seen).health != "ok"


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param({"temperature_celsius": 91, "slowdown_celsius": 92}, id="below the slowdown"),
        pytest.param({"temperature_celsius": 200, "slowdown_celsius": None}, id="a limit that nobody knows"),
        pytest.param({"throttle_reasons": ("sw_power_cap", "gpu_idle")}, id="slowed by what is no trouble"),
        pytest.param({"nvlinks_active": None, "nvlink_errors": None}, id="links that cannot be read"),
        pytest.param({"pcie_replays": 59}, id="replays of all the time before"),
    ],
)
def test_what_is_no_sign_of_trouble_is_none(seen: dict[str, Any]) -> None:
    gpu = Patient()
    gpu.sees()

    assert gpu.sees(for_s=200, **seen).health == "ok"


@pytest.mark.parametrize("counter", ["nvlink_errors", "pcie_replays"])
def test_a_counter_that_grows_fast_is_suspect_and_one_that_grows_slowly_is_not(counter: str) -> None:
    gpu = Patient()
    for step in range(300):
        gpu.sees(**{counter: 1000 + step // 2})
    assert gpu.said.health == "ok"
    gpu.is_usually(**{counter: 1300})

    assert gpu.sees().health == "suspect"
    assert gpu.sees(for_s=FIRST_S + 2).health == "ok"


def test_a_reset_is_seen_by_a_counter_that_began_anew() -> None:
    gpu = Patient()
    gpu.sees(xids=(48,))
    assert gpu.sees(for_s=2 * LONGEST_S, step_s=10).health == "unhealthy"
    gpu.is_usually(energy_millijoules=3)
    gpu.sees()

    assert gpu.said.reason is not None
    assert gpu.said.reason.startswith("XID 48: memory had an error that ECC could not correct; over, held until 2027-")
    assert gpu.sees(for_s=FIRST_S - 1).health == "unhealthy"
    assert gpu.sees().health == "ok"


def test_errors_that_come_again_after_a_reset_count_again() -> None:
    gpu = Patient()
    gpu.sees(ecc_uncorrected=4)
    gpu.is_usually(ecc_uncorrected=1)
    gpu.sees(for_s=10 * FIRST_S)

    assert gpu.said.health == "suspect"
    gpu.is_usually(ecc_uncorrected=0)
    assert gpu.sees(for_s=FIRST_S + 1).health == "ok"


def test_a_row_that_waits_no_more_is_itself_the_sign_of_a_reset() -> None:
    gpu = Patient(energy_millijoules=None, ecc_uncorrected=None)
    gpu.sees(remap_pending=True)

    assert gpu.sees(for_s=FIRST_S + 1, remap_pending=False).health == "ok"


def test_a_lost_gpu_that_answers_again_is_healthy_only_if_it_was_reset() -> None:
    hiccup, reset = Patient(), Patient()
    for gpu, energy in ((hiccup, 1001), (reset, 2)):
        gpu.sees()
        gpu.sees(for_s=5, lost="lost", energy_millijoules=None, ecc_uncorrected=None)
        gpu.is_usually(energy_millijoules=energy)
        gpu.sees(for_s=2 * FIRST_S)

    assert (hiccup.said.health, reset.said.health) == ("unhealthy", "ok")


def test_a_reboot_proves_what_a_reset_does_not() -> None:
    gpu = Patient()
    gpu.sees(xids=(79,))
    gpu.sees(energy_millijoules=0)
    assert gpu.sees(for_s=2 * LONGEST_S, step_s=10).health == "unhealthy"
    gpu.restarts_its_agent(boot="b2")

    assert gpu.sees(for_s=FIRST_S).health == "unhealthy"
    assert gpu.sees().health == "ok"


def test_a_reboot_is_a_reset_too() -> None:
    gpu = Patient(energy_millijoules=None, ecc_uncorrected=None)
    gpu.sees(xids=(48,))
    gpu.restarts_its_agent(boot="b2")

    assert gpu.sees(for_s=FIRST_S + 1).health == "ok"


def test_what_else_was_wrong_with_a_lost_gpu_is_not_over_while_it_does_not_answer() -> None:
    gpu = Patient()
    gpu.sees(trouble="Timeout")
    said = gpu.sees(for_s=2 * LONGEST_S, step_s=10, lost="lost")

    assert (said.reason or "").endswith("reset the GPU (and 1 more)")


def test_how_often_it_fell_ill_is_forgotten_in_time_after_a_reboot_too() -> None:
    gpu = Patient()
    for _ in range(4):
        gpu.sees(trouble="Timeout")
        gpu.sees(for_s=20 * FIRST_S, step_s=10)
    gpu.at = 5.0
    gpu.restarts_its_agent(boot="b2")
    gpu.sees(trouble="Timeout")
    assert gpu.sees(for_s=5 * FIRST_S, step_s=10).health == "suspect"
    gpu.sees(for_s=TABLE.hold.window_s + LONGEST_S, step_s=10)
    gpu.sees(trouble="Timeout")

    assert gpu.sees(for_s=FIRST_S + 1).health == "ok"


def test_what_stands_keeps_its_words_however_they_waver() -> None:
    gpu = Patient()
    gpu.sees(trouble="power: Timeout")
    finding = gpu.state.findings[0]
    gpu.sees(trouble="clocks: Timeout")

    assert gpu.state.findings[0] is finding


def test_a_host_that_does_not_say_when_it_started_proves_nothing() -> None:
    gpu = Patient(boot=None)
    gpu.sees(xids=(79,))

    assert gpu.sees(for_s=2 * LONGEST_S, step_s=10, boot="b2").health == "unhealthy"


def test_an_application_error_is_over_once_the_processes_of_then_are_gone() -> None:
    gpu = Patient()
    assert gpu.sees(xids=(94,)).asks, "the next reading must say who is on it"
    gpu.sees(processes=2, pids=frozenset({7, 8}))
    assert gpu.sees(for_s=2 * FIRST_S, processes=1, pids=frozenset({8})).health == "suspect"
    assert gpu.sees(for_s=2 * FIRST_S, processes=None).health == "suspect", "nobody is gone while nobody is seen"
    assert not gpu.sees(processes=1, pids=frozenset({9})).asks, "somebody else is no matter"

    assert gpu.sees(for_s=FIRST_S).health == "ok"


def test_a_check_that_failed_is_over_once_one_passes() -> None:
    gpu = Patient()
    gpu.sees(passed=False, why="exit 3: bad sums")
    assert gpu.said.reason == "the check after a lease failed: exit 3: bad sums; it comes back once the check passes"
    assert gpu.sees(for_s=2 * LONGEST_S, step_s=10).health == "unhealthy"
    gpu.sees(passed=True)

    assert gpu.sees(for_s=FIRST_S + 1).health == "ok"


def test_what_must_be_replaced_is_over_only_when_somebody_says_so() -> None:
    gpu = Patient()
    gpu.sees(remap_failed=True)
    gpu.restarts_its_agent(boot="b2")
    assert gpu.sees(for_s=2 * LONGEST_S, step_s=10, energy_millijoules=0).health == "unhealthy"
    gpu.state = judging.forgotten(gpu.state)

    assert gpu.sees().health == "ok"
    assert gpu.sees(remap_failed=True).health == "unhealthy", "what still stands is found again at once"


def test_the_hold_doubles_with_each_fall_up_to_the_longest_and_is_forgotten_in_time() -> None:
    window = TABLE.hold.window_s
    falls = tuple(float(at) for at in range(10))

    assert [hold_s(falls[:count], TABLE.hold, 10) for count in range(9)] == [
        60, 60, 120, 240, 480, 960, 1920, 3600, 3600,
    ]  # fmt: skip
    assert hold_s(falls, TABLE.hold, 9.5 + window) == FIRST_S


def test_a_gpu_that_flaps_is_held_longer_and_its_reason_says_until_when_and_why() -> None:
    gpu = Patient()
    for _ in range(3):
        gpu.sees(trouble="Timeout")
        gpu.sees(for_s=10 * FIRST_S)
    gpu.sees(trouble="Timeout")
    gpu.sees(for_s=5)

    assert gpu.said.reason is not None
    assert gpu.said.reason.endswith("Z, as it got worse 4 times of late")
    held = [at for at, health in gpu.changes if health == "ok"]
    fell = [at for at, health in gpu.changes if health != "ok"]
    assert [up - down for down, up in zip(fell, held, strict=False)] == [61, 121, 241]


def test_a_table_that_has_a_rule_no_more_holds_nothing_by_it() -> None:
    gpu = Patient()
    gpu.sees(trouble="Timeout")
    finding = replace(gpu.state.findings[0], key="a rule of the version before")
    gpu.state = replace(gpu.state, findings=(finding,))

    assert gpu.sees().health == "ok"


XIDS = st.lists(st.sampled_from([13, 38, 48, 79, 94, 157, 700]), max_size=2).map(tuple)
FACTS = st.fixed_dictionaries(
    {},
    optional={
        "xids": XIDS,
        "lost": st.sampled_from(["lost", "reset_required", None]),
        "trouble": st.sampled_from(["Timeout", None]),
        "energy_millijoules": st.integers(0, 10) | st.none(),
        "ecc_uncorrected": st.integers(0, 3) | st.none(),
        "remap_pending": st.booleans() | st.none(),
        "remap_failed": st.booleans() | st.none(),
        "nvlinks_active": st.integers(0, 3) | st.none(),
        "pcie_replays": st.integers(0, 200) | st.none(),
        "temperature_celsius": st.integers(80, 100),
        "slowdown_celsius": st.just(92),
        "throttle_reasons": st.sampled_from([(), ("hw_slowdown",)]),
        "processes": st.integers(0, 2) | st.none(),
        "pids": st.frozensets(st.integers(1, 3)),
        "passed": st.booleans() | st.none(),
    },
)
DAY = st.lists(st.tuples(FACTS, st.integers(1, 400)), min_size=1, max_size=40)


def fatal(facts: dict[str, Any]) -> bool:
    told = any(TABLE.of_xid(xid).verdict == "unhealthy" for xid in facts.get("xids", ()))
    return bool(told or facts.get("lost") or facts.get("remap_failed") or facts.get("passed") is False)


@given(DAY)
def test_a_gpu_is_never_ok_while_something_fatal_stands(day: list[tuple[dict[str, Any], int]]) -> None:
    gpu = Patient()
    for facts, seconds in day:
        said = gpu.sees(for_s=seconds, step_s=7, **facts)
        if fatal(facts):
            assert said.health == "unhealthy"
        assert (said.reason is None) == (said.health == "ok")


@given(DAY)
def test_health_changes_seldom_whatever_flaps(day: list[tuple[dict[str, Any], int]]) -> None:
    """The hold doubles with each fall, so six ways down and up are more than an hour, whatever is seen in it."""
    gpu = Patient()
    for facts, seconds in day * 3:
        gpu.sees(for_s=seconds, step_s=5, **facts)
    for begin, _ in gpu.changes:
        assert len([at for at, _ in gpu.changes if begin <= at < begin + 3600]) <= 20


@given(DAY)
def test_a_gpu_that_stays_clean_comes_back_once_every_way_back_is_met(day: list[tuple[dict[str, Any], int]]) -> None:
    gpu = Patient()
    for facts, seconds in day:
        gpu.sees(for_s=seconds, step_s=11, **facts)
    most = gpu.state.counters.nvlinks_most
    clean = {"energy_millijoules": 50, "processes": 0, "nvlinks_active": most}
    gpu.sees(**clean)
    gpu.sees(**{**clean, "boot": "b3", "energy_millijoules": 1, "passed": True})
    gpu.is_usually(boot="b3")
    last = gpu.sees(for_s=LONGEST_S + 30, step_s=10, **{**clean, "energy_millijoules": 2})
    backs = {rule.back for one in gpu.state.findings if (rule := TABLE.of(one.key)) is not None}

    assert backs <= {"replace"}
    assert (last.health == "ok") == (not backs)


@given(DAY, st.integers(1, 100_000))
def test_a_restart_of_the_agent_makes_no_gpu_better(day: list[tuple[dict[str, Any], int]], away_s: int) -> None:
    gpu = Patient()
    for facts, seconds in day:
        before = gpu.sees(for_s=seconds, step_s=11, **facts)
        gpu.at += away_s
        gpu.restarts_its_agent()
        after = gpu.sees(**{**facts, "energy_millijoules": None, "ecc_uncorrected": None, "xids": ()})
        assert HEALTHS.index(after.health) >= HEALTHS.index(before.health)


def test_who_makes_it_flap_as_fast_as_may_be_gets_a_few_changes_in_an_hour_and_then_hardly_any() -> None:
    gpu = Patient()
    worse: dict[str, dict[str, Any]] = {
        "ok": {"trouble": "Timeout"},
        "suspect": {"passed": False},
        "unhealthy": {"passed": True},
    }
    for _ in range(5 * 3600):
        gpu.sees(**worse[gpu.said.health])
    by_hour = [len([at for at, _ in gpu.changes if hour * 3600 <= at - 100 < (hour + 1) * 3600]) for hour in range(5)]

    assert by_hour[0] <= 15
    assert max(by_hour[1:]) <= 4
