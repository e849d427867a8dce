"""Who has which GPU, as a stage of the sampler: asked on a thread of its own, handed on as it came last."""

import logging
import threading

import pytest

from agents.pods.holders import Holders
from agents.snapshot import Holder, Process
from tests.unit.agents.builders import a_gpu, a_sample, allocations, an_allocation

ACME = Holder(gpu="GPU-a", namespace="dure-co-acme", pod="train", container="main", resource="nvidia.com/gpu")


class Script:
    """Says what it was given to say, in order."""

    def __init__(self, *says: tuple[Holder, ...] | str) -> None:
        self.says = list(says)
        self.asked = threading.Semaphore(0)

    def __call__(self) -> tuple[Holder, ...] | str:
        self.asked.release()
        return self.says.pop(0) if len(self.says) > 1 else self.says[0]


def test_before_the_kubelet_answered_nobody_can_tell() -> None:
    assert Holders(Script((ACME,)))(a_sample(), None).holders is None


def test_a_sample_has_the_newest_list() -> None:
    stage = Holders(Script((), (ACME,)))
    stage.step()
    assert stage(a_sample(), None).holders == ()
    stage.step()
    assert stage(a_sample(), None).holders == (ACME,)


def test_a_list_is_not_kept_when_the_kubelet_cannot_be_asked_any_more() -> None:
    stage = Holders(Script((ACME,), "No such file or directory"))
    stage.step()
    stage.step()
    assert stage(a_sample(), None).holders is None


def test_a_trouble_is_one_line_when_it_begins_and_one_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stage = Holders(Script("Permission denied", "Permission denied", "No such file or directory", (), ()))
    for _ in range(5):
        stage.step()
    assert [record.action for record in caplog.records] == ["holders.unavailable", "holders.available"]  # pyright: ignore
    assert "Permission denied" in caplog.text
    assert "DURE_AGENT_POD_RESOURCES" in caplog.text


def a_process_sample(*pids: int):
    return a_sample(a_gpu(seen=tuple(Process(pid=pid) for pid in pids)))


@pytest.mark.parametrize(
    ("before", "after", "want"),
    [
        pytest.param(a_sample(), a_sample(), False, id="nothing changed"),
        pytest.param(a_sample(), a_sample(knowing=allocations(an_allocation())), True, id="a lease began"),
        pytest.param(
            a_sample(knowing=allocations(an_allocation())),
            a_sample(knowing=allocations(an_allocation(ended=True))),
            True,
            id="a lease ended",
        ),
        pytest.param(a_process_sample(1), a_process_sample(1, 2), True, id="a process came"),
        pytest.param(a_process_sample(1, 2), a_process_sample(2), False, id="a process went"),
    ],
)
def test_the_kubelet_is_asked_at_once_when_who_has_what_may_have_changed(before, after, want) -> None:
    script = Script(())
    stage = Holders(script, every_s=3600)
    stop = threading.Event()
    thread = threading.Thread(target=stage.run, args=(stop,), daemon=True)
    thread.start()
    assert script.asked.acquire(timeout=60)
    stage(before, None)
    stage(after, before)
    assert script.asked.acquire(timeout=60 if want else 0) is want
    stop.set()
    stage.wake()
    thread.join(60)
    assert not thread.is_alive()
