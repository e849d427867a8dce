"""When a GPU may be called empty: what runs before, when it may not run, and what is said meanwhile."""

import itertools
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents import __main__ as command
from agents.allocations import Allocations, Held
from agents.empty.proofs import AT_ONCE, OVERDUE_S, RETRY_S, SETTLE_S, CommandError, Proving
from agents.events import Event
from agents.health.stage import Judging
from agents.sampler import Sampler
from agents.snapshot import GpuSnapshot, Process, Sample
from tests.unit.agents.builders import GIB, SERVER_AHEAD_S, Hand, ScriptedDriver, a_gpu, a_sample, an_allocation

ENOUGH_S = 60.0
TOLD = str | None


class Node:
    """A node whose sampler calls the stage; trials are waited for by joining their threads."""

    def __init__(self, tmp_path: Path, **commands: Any) -> None:
        self.path = tmp_path
        self.events: list[Event] = []
        self.checks: list[tuple[str, bool, str | None]] = []
        self.at = 1000.0
        self.proving = Proving(
            record=self.events.append,
            checked=lambda gpu, passed, why: self.checks.append((gpu, passed, why)),
            **commands,
        )
        os.mkfifo(tmp_path / "go")
        self.gate = os.open(tmp_path / "go", os.O_RDWR)

    def sees(self, *gpus: GpuSnapshot, items: Sequence[Held] = ()) -> Sample:
        self.at += 1
        knowing = Allocations(items=tuple(items), server_ahead_s=SERVER_AHEAD_S)
        return self.proving(a_sample(*gpus, at=self.at, knowing=knowing), None)

    def ends(self) -> None:
        """Waits for every trial that runs."""
        for known in self.proving._known.values():
            if known.trial is not None:
                known.trial.join(ENOUGH_S)
                assert known.trial.outcome is not None

    def opens(self) -> None:
        """Lets one command through that waits at its gate."""
        os.write(self.gate, b"x")

    def close(self) -> None:
        self.proving.close()
        os.close(self.gate)


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Any]:
    made: list[Node] = []

    def make(**commands: Any) -> Node:
        made.append(Node(tmp_path, **commands))
        return made[-1]

    yield make
    for node in made:
        node.close()


FREE = a_gpu(processes=0, memory_used_bytes=500 << 20)
OVER = an_allocation(ended=True)


def gated(tmp_path: Path, script: str = "true") -> str:
    """A command that waits at the node's gate first."""
    return f"/bin/sh -c 'head -c 1 {tmp_path}/go >/dev/null; {script}'"


def told(tmp_path: Path, word: str) -> str:
    return f"echo {word} $DURE_GPU $CUDA_VISIBLE_DEVICES $DURE_ALLOCATION >> {tmp_path}/log"


def logged(tmp_path: Path, word: str, status: int = 0) -> str:
    return f"/bin/sh -c '{told(tmp_path, word)}; exit {status}'"


def why(sample: Sample, allocation: str = "all_1") -> TOLD:
    return (sample.unproved or {}).get(allocation)


def test_without_commands_nothing_is_held_back(nodes: Any) -> None:
    node = nodes()
    sample = node.sees(FREE, items=[OVER])

    assert sample.unproved is None
    assert node.events == []


def test_a_gpu_is_empty_once_it_was_scrubbed_and_checked_in_this_order(nodes: Any, tmp_path: Path) -> None:
    node = nodes(scrub=gated(tmp_path, told(tmp_path, "scrub")), check=logged(tmp_path, "check"))
    begun = why(node.sees(FREE, items=[OVER]))
    node.opens()
    node.ends()
    noticed, after = why(node.sees(FREE, items=[OVER])), node.sees(FREE, items=[OVER])

    assert begun == "being scrubbed since 08:16:41Z"
    assert noticed == "it is read once more, after its trial", "this reading may have begun before the trial ended"
    assert after.unproved is None
    assert (tmp_path / "log").read_text() == "scrub GPU-a GPU-a all_1\ncheck GPU-a GPU-a all_1\n"
    assert node.checks == [("GPU-a", True, None)]
    assert [(event.kind, event.gpu, event.detail["passed"]) for event in node.events] == [("proof", "GPU-a", True)]


def test_what_was_proved_is_not_tried_again(nodes: Any, tmp_path: Path) -> None:
    node = nodes(check=logged(tmp_path, "check"))
    node.sees(FREE, items=[OVER])
    node.ends()
    for _ in range(100):
        node.sees(FREE, items=[OVER])

    assert (tmp_path / "log").read_text().count("check") == 1


@pytest.mark.parametrize(
    ("gpu", "held"),
    [
        pytest.param({"processes": 1}, {}, id="somebody is on it"),
        pytest.param({"processes": None}, {}, id="nobody can tell who is on it"),
        pytest.param({"memory_used_bytes": 2 * GIB}, {"empty_memory_bytes": GIB}, id="its memory is in use"),
        pytest.param({"memory_used_bytes": None}, {"empty_memory_bytes": GIB}, id="nobody can tell of its memory"),
        pytest.param({"lost": "lost"}, {}, id="it is lost"),
    ],
)
def test_nothing_runs_while_a_gpu_is_not_seen_empty(
    gpu: dict[str, Any], held: dict[str, Any], nodes: Any, tmp_path: Path
) -> None:
    node = nodes(check=logged(tmp_path, "check"))
    item = replace(OVER, **held)
    for _ in range(3):
        sample = node.sees(replace(FREE, **gpu), items=[item])
        node.ends()
        assert why(sample) == "it is not scrubbed and checked yet, as somebody may be on it"
    assert not (tmp_path / "log").exists()
    node.sees(FREE, items=[item])
    node.ends()

    assert (tmp_path / "log").exists()


def test_memory_counts_only_where_the_pool_says_how_much_is_none(nodes: Any, tmp_path: Path) -> None:
    node = nodes(check=logged(tmp_path, "check"))
    node.sees(replace(FREE, memory_used_bytes=None), items=[OVER])
    node.ends()

    assert (tmp_path / "log").exists()


def test_a_check_that_fails_holds_the_gpu_back_and_is_told_with_its_words(
    nodes: Any, caplog: pytest.LogCaptureFixture
) -> None:
    node = nodes(check="/bin/sh -c 'echo bad sums; exit 3'")
    node.sees(FREE, items=[OVER])
    node.ends()
    said = why(node.sees(FREE, items=[OVER]))

    assert said == "the check failed: exit 3: bad sums; it is tried again at 08:17:42Z"
    assert why(node.sees(FREE, items=[OVER])) == said
    assert node.checks == [("GPU-a", False, "exit 3: bad sums")]
    assert [dict(event.detail) for event in node.events] == [
        {"allocation": "all_1", "step": "check", "passed": False, "why": "the check failed: exit 3: bad sums"}
    ]
    assert [record.getMessage() for record in caplog.records] == [
        f"GPU-a is not called empty after lease lea_1: {said}"
    ]


def test_a_scrub_that_fails_is_not_followed_by_a_check_and_says_nothing_of_health(nodes: Any, tmp_path: Path) -> None:
    node = nodes(scrub="/bin/sh -c 'exit 9'", check=logged(tmp_path, "check"))
    node.sees(FREE, items=[OVER])
    node.ends()
    said = why(node.sees(FREE, items=[OVER]))

    assert (said or "").startswith("the scrub failed: exit 9; it is tried again at ")
    assert node.checks == []
    assert not (tmp_path / "log").exists()


def test_a_trial_that_failed_is_made_again_later_each_time_twice_as_late(nodes: Any, tmp_path: Path) -> None:
    node = nodes(check=logged(tmp_path, "check", 1))
    tried: list[float] = []
    for second in range(3 * RETRY_S + 60):
        node.sees(FREE, items=[OVER])
        if any(known.trial for known in node.proving._known.values()):
            tried.append(second)
            node.ends()
    gaps = [after - before for before, after in itertools.pairwise(tried)]

    assert gaps == [RETRY_S + 1, 2 * RETRY_S + 1]
    assert len(node.events) == 3


def test_one_that_passes_at_last_proves_it(nodes: Any, tmp_path: Path) -> None:
    node = nodes(check=f"/bin/sh -c 'test -e {tmp_path}/mended'")
    node.sees(FREE, items=[OVER])
    node.ends()
    node.sees(FREE, items=[OVER])
    (tmp_path / "mended").touch()
    node.at += RETRY_S
    node.sees(FREE, items=[OVER])
    node.ends()
    node.sees(FREE, items=[OVER])

    assert node.sees(FREE, items=[OVER]).unproved is None
    assert [passed for _, passed, _ in node.checks] == [False, True]


def test_what_takes_too_long_is_said(nodes: Any) -> None:
    node = nodes(check="/bin/sleep 600", limit_s=0.2)
    node.sees(FREE, items=[OVER])
    node.ends()

    assert (why(node.sees(FREE, items=[OVER])) or "").startswith("the check failed: stopped after 0 s; ")


def test_what_hangs_in_the_driver_though_it_was_killed_is_a_failed_check(nodes: Any, tmp_path: Path) -> None:
    node = nodes(check=gated(tmp_path), limit_s=ENOUGH_S)
    node.sees(FREE, items=[OVER])
    node.at += ENOUGH_S + OVERDUE_S
    said = why(node.sees(FREE, items=[OVER]))

    assert (said or "").startswith("the check was killed and does not end: it hangs in the driver; ")
    assert node.checks == [("GPU-a", False, "the check was killed and does not end: it hangs in the driver")]
    node.sees(FREE, items=[OVER])
    assert len(node.events) == 1, "it is told once"


def test_readings_go_on_while_commands_run_and_what_runs_is_on_the_gpu_itself(nodes: Any, tmp_path: Path) -> None:
    node = nodes(scrub=gated(tmp_path), check=gated(tmp_path, f"echo $$ > {tmp_path}/log"))
    node.sees(FREE, items=[OVER])
    trial = node.proving._known["all_1"].trial
    assert trial is not None
    node.opens()
    busy = replace(FREE, processes=1, seen=(Process(pid=os.getpid()),))
    assert why(node.sees(replace(FREE, processes=1), items=[OVER])) in (
        "being scrubbed since 08:16:41Z",
        "being checked since 08:16:41Z",
    )
    node.opens()
    node.ends()
    node.sees(replace(FREE, processes=1), items=[OVER])

    assert node.sees(replace(FREE, processes=1), items=[OVER]).unproved is None, "it has a while to leave"
    assert not node.proving.owns(os.getpid())
    node.at += SETTLE_S
    assert why(node.sees(busy, items=[OVER])) == "it is not scrubbed and checked yet, as somebody may be on it"


def test_somebody_who_comes_on_a_gpu_while_it_is_tried_ends_the_trial(nodes: Any, tmp_path: Path) -> None:
    node = nodes(check=gated(tmp_path, f"touch {tmp_path}/log"))
    node.sees(FREE, items=[OVER])
    trial = node.proving._known["all_1"].trial
    assert trial is not None
    came = replace(FREE, processes=1, seen=(Process(pid=os.getpid()),))
    said: TOLD = "being"
    # While its command is starting nobody can tell whose a process is.
    while said is not None and said.startswith("being"):
        node.at -= 1
        said = why(node.sees(came, items=[OVER]))
    trial.join(ENOUGH_S)

    assert said == "somebody came on it while it was tried"
    assert not (tmp_path / "log").exists()
    assert (why(node.sees(FREE, items=[OVER])) or "").startswith("being checked since ")


def test_the_processes_of_a_trial_are_known_as_such(nodes: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pid")
    node = nodes(check=f"/bin/sh -c 'sleep 600 & echo $! > {tmp_path}/pid; wait'")
    node.sees(FREE, items=[OVER])
    child = int((tmp_path / "pid").read_text())

    # That it is starting may not be over at once: nobody can tell then.
    node.proving._known["all_1"].trial.join(0.0)
    assert node.proving._known["all_1"].trial.owns(child) is not False
    assert not node.proving.owns(os.getpid())
    assert (why(node.sees(replace(FREE, processes=1, seen=(Process(pid=child),)), items=[OVER])) or "").startswith(
        "being"
    )


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([], id="it is closed"),
        pytest.param([OVER, an_allocation("all_2", lease="lea_2", stops=9000)], id="it is leased again"),
    ],
)
def test_a_trial_ends_when_its_gpu_is_needed(items: list[Held], nodes: Any, tmp_path: Path) -> None:
    node = nodes(check=gated(tmp_path, f"touch {tmp_path}/log"))
    node.sees(FREE, items=[OVER])
    trial = node.proving._known["all_1"].trial
    assert trial is not None
    sample = node.sees(FREE, items=items)
    trial.join(ENOUGH_S)

    assert trial.outcome is not None
    assert trial.outcome.wrong == "it was stopped, as the GPU is needed or the agent ends"
    assert why(sample) == ("lease lea_2 is on it already" if items else None)
    assert (node.checks, node.events) == ([], []), "that it was stopped says nothing of the GPU"


def test_no_more_gpus_are_tried_at_once_than_may_be(nodes: Any, tmp_path: Path) -> None:
    node = nodes(check=gated(tmp_path))
    gpus = [replace(FREE, uuid=f"GPU-{number}") for number in range(AT_ONCE + 2)]
    items = [an_allocation(f"all_{number}", gpu=gpu.uuid, ended=True) for number, gpu in enumerate(gpus)]
    first = node.sees(*gpus, items=items)
    assert [why(first, item.allocation) for item in items[AT_ONCE:]] == [
        "it waits for its turn to be scrubbed and checked"
    ] * 2
    for _ in gpus:
        node.opens()
    for _ in range(3):
        node.ends()
        node.sees(*gpus, items=items)

    assert node.sees(*gpus, items=items).unproved is None


def test_gpus_that_hang_in_the_driver_keep_no_other_from_its_turn(nodes: Any, tmp_path: Path) -> None:
    node = nodes(check=gated(tmp_path), limit_s=ENOUGH_S)
    gpus = [replace(FREE, uuid=f"GPU-{number}") for number in range(AT_ONCE + 1)]
    items = [an_allocation(f"all_{number}", gpu=gpu.uuid, ended=True) for number, gpu in enumerate(gpus)]
    node.sees(*gpus, items=items)
    node.at += ENOUGH_S + OVERDUE_S
    node.sees(*gpus, items=items)

    assert (why(node.sees(*gpus, items=items), items[-1].allocation) or "").startswith("being checked since")


def test_a_gpu_is_tried_for_one_allocation_at_a_time(nodes: Any, tmp_path: Path) -> None:
    node = nodes(check=gated(tmp_path))
    sample = node.sees(FREE, items=[OVER, an_allocation("all_2", ended=True)])

    assert why(sample, "all_2") == "it waits for its turn to be scrubbed and checked"


def test_everything_is_killed_when_the_agent_ends(nodes: Any, tmp_path: Path) -> None:
    node = nodes(check=gated(tmp_path))
    node.sees(FREE, items=[OVER])
    trial = node.proving._known["all_1"].trial
    node.proving.close()
    trial.join(ENOUGH_S)

    assert trial.outcome is not None


def test_nothing_begins_once_the_agent_ends(nodes: Any, tmp_path: Path) -> None:
    node = nodes(check=logged(tmp_path, "check"))
    node.sees(a_gpu(), items=[OVER])
    node.proving.close()
    said = why(node.sees(FREE, items=[OVER]))

    assert said == "the agent ends, so it is not scrubbed and checked"
    assert node.proving._known["all_1"].trial is None


def test_what_ends_with_the_agent_is_not_tried_again_by_a_sampler_that_goes_on(nodes: Any, tmp_path: Path) -> None:
    node = nodes(check=gated(tmp_path))
    node.sees(FREE, items=[OVER])
    node.proving.close()
    node.ends()
    node.sees(FREE, items=[OVER])
    node.at += RETRY_S
    said = why(node.sees(FREE, items=[OVER]))

    assert said == "the agent ends, so it is not scrubbed and checked"


@pytest.mark.parametrize("commands", [{"scrub": "'"}, {"check": ""}, {"check": "a 'b"}])
def test_a_command_that_cannot_be_read_is_an_error_at_the_start(commands: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match=r"the command to (scrub|check) a GPU, .*cannot be read"):
        Proving(**commands)


def mig(uuid: str, place: str, **more: Any) -> GpuSnapshot:
    return replace(FREE, uuid=uuid, parent="GPU-p", mig_instance=place, **more)


def held(gpu: str, *, ended: bool) -> Held:
    return an_allocation(gpu=gpu, stops=9000, ended=ended)


@pytest.mark.parametrize(
    ("gpu", "before", "after", "want"),
    [
        pytest.param("MIG-1", [mig("MIG-1", "3/0")], [mig("MIG-1", "3/0")], None, id="all is as it was"),
        pytest.param(
            "MIG-1",
            [mig("MIG-1", "3/0")],
            [mig("MIG-1", "3/0"), mig("MIG-2", "3/1")],
            "made in its GPU instance since it was leased, and to be destroyed: MIG-2",
            id="a compute instance more in the lease's own GPU instance",
        ),
        pytest.param(
            "MIG-1",
            [mig("MIG-1", "3/0"), mig("MIG-2", "3/1")],
            [mig("MIG-1", "3/0"), mig("MIG-2", "3/1"), mig("MIG-3", "5/0")],
            None,
            id="another GPU instance, which administrators make",
        ),
        pytest.param("MIG-1", [mig("MIG-1", "3/0")], [], "it is not on this node any more", id="it was destroyed"),
        pytest.param(
            "GPU-p",
            [replace(FREE, uuid="GPU-p")],
            [mig("MIG-2", "1/0"), mig("MIG-1", "3/0")],
            "it was cut into MIG instances, which must be destroyed first: MIG-1, MIG-2",
            id="a whole GPU that was cut",
        ),
        pytest.param(
            "GPU-p", [replace(FREE, uuid="GPU-p")], [replace(FREE, uuid="GPU-p")], None, id="a whole GPU as it was"
        ),
    ],
)
def test_instances_that_a_lease_left_behind_hold_its_gpu_back(
    gpu: str, before: list[GpuSnapshot], after: list[GpuSnapshot], want: TOLD, nodes: Any
) -> None:
    node, other = nodes(), a_gpu("GPU-other")
    node.sees(other, *before, items=[held(gpu, ended=False)])

    assert why(node.sees(other, *after, items=[held(gpu, ended=True)])) == want


def test_nothing_is_remembered_of_allocations_that_are_closed(nodes: Any) -> None:
    node = nodes(check="/bin/true")
    for number in range(10):
        node.sees(FREE, items=[an_allocation(f"all_{number}")])
        node.sees(FREE, items=[an_allocation(f"all_{number}", ended=True)])
    node.sees(FREE)

    assert (node.proving._known, node.proving._layouts._known) == ({}, {})


def test_an_agent_that_came_later_knows_nothing_of_instances_before(nodes: Any) -> None:
    sample = nodes().sees(mig("MIG-1", "3/0"), mig("MIG-2", "3/1"), items=[held("MIG-1", ended=True)])

    assert sample.unproved is None


def test_such_a_command_ends_the_start_of_an_agent_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "token").write_text("t")
    root = logging.getLogger()
    # An agent that starts takes the root logger for itself.
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    monkeypatch.setattr(root, "level", root.level)
    for name, value in {
        "NODE": "n1",
        "TOKEN_FILE": str(tmp_path / "token"),
        "DRIVER": "simulated",
        "CHECK_COMMAND": "check 'it",
    }.items():
        monkeypatch.setenv(f"DURE_AGENT_{name}", value)

    assert command.main([]) == 2
    want = """dure agent: the command to check a GPU, "check 'it", cannot be read: No closing quotation\n"""
    assert capsys.readouterr().err == want


def test_a_gpu_whose_check_failed_is_unhealthy_and_not_empty() -> None:
    clock, judging = Hand(), Judging()
    proving = Proving(check="/bin/sh -c 'exit 3'", checked=judging.checked)
    sampler = Sampler(
        ScriptedDriver([FREE]), sample_s=1, stages=[judging, proving], monotonic=clock.monotonic, now=clock.wall
    )
    sampler.follow(Allocations(items=(OVER,), server_ahead_s=SERVER_AHEAD_S))
    sampler.step()
    trial = proving._known["all_1"].trial
    assert trial is not None
    trial.join(ENOUGH_S)
    for _ in range(2):
        clock.advance(1)
        sampler.step()
    view = sampler.view()

    assert view is not None
    assert (view.snapshot.gpus[0].health, view.snapshot.gpus[0].health_reason) == (
        "unhealthy",
        "the check after a lease failed: exit 3; it comes back once the check passes",
    )
    assert view.allocations.ended() - (view.unproved or {}).keys() == frozenset()
