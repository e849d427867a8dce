"""GPUs that come, go or are cut anew are told of, each once."""

from collections.abc import Sequence

import pytest

from agents.devices import Devices
from agents.events import Event
from agents.sampler import Sampler
from agents.snapshot import GpuSnapshot
from tests.unit.agents.builders import Hand, ScriptedDriver, a_gpu

A, B = a_gpu("GPU-a"), a_gpu("GPU-b", index=1)
ONE = a_gpu("MIG-1", parent="GPU-b", index=1, mig_profile="1g.10gb")
TWO = a_gpu("MIG-2", parent="GPU-b", index=2, mig_profile="2g.20gb")
OTHER = a_gpu("MIG-1", parent="GPU-b", index=1, mig_profile="3g.40gb")

Told = list[tuple[str | None, object, object, object]]


def told(*script: Sequence[GpuSnapshot]) -> Told:
    """What is told of these readings, in order."""
    events: list[Event] = []
    clock = Hand()
    sampler = Sampler(
        ScriptedDriver(*script),
        sample_s=1.0,
        stages=[Devices(events.append)],
        monotonic=clock.monotonic,
        now=clock.wall,
    )
    for _ in script:
        sampler.step()
        clock.advance(1)
    assert {event.kind for event in events} <= {"device"}
    return [(event.gpu, event.detail["change"], event.detail["index"], event.detail["cut"]) for event in events]


@pytest.mark.parametrize(
    ("before", "after", "want"),
    [
        pytest.param([A, B], [B, A], [], id="nothing changed but their order"),
        pytest.param([A], [A, B], [("GPU-b", "added", 1, "whole")], id="one more"),
        pytest.param([A, B], [A], [("GPU-b", "removed", 1, "whole")], id="one less"),
        pytest.param(
            [A, B], [], [("GPU-a", "removed", 0, "whole"), ("GPU-b", "removed", 1, "whole")], id="none is left"
        ),
        pytest.param([A], [B], [("GPU-a", "removed", 0, "whole"), ("GPU-b", "added", 1, "whole")], id="another one"),
        pytest.param([B], [ONE, TWO], [("GPU-b", "recut", 1, "1g.10gb, 2g.20gb")], id="cut into instances"),
        pytest.param([ONE, TWO], [TWO], [("GPU-b", "recut", 2, "2g.20gb")], id="an instance less"),
        pytest.param([ONE], [OTHER], [("GPU-b", "recut", 1, "3g.40gb")], id="the same instance of another size"),
        pytest.param([ONE, TWO], [B], [("GPU-b", "recut", 1, "whole")], id="whole again"),
        pytest.param([A], [ONE, A], [("GPU-b", "added", 1, "1g.10gb")], id="one more that is cut"),
        pytest.param([A], [a_gpu("GPU-a", lost="lost")], [], id="one that is lost is still there"),
    ],
)
def test_what_changed_is_told(before: list[GpuSnapshot], after: list[GpuSnapshot], want: Told) -> None:
    assert told(before, after, after) == want


def test_what_an_agent_finds_as_it_starts_is_no_news() -> None:
    assert told([A, B], [A, B]) == []


def test_each_change_is_a_line_with_its_own_action(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "agents.devices")
    told([A], [B], [ONE])

    assert [(record.__dict__["action"], record.getMessage()) for record in caplog.records] == [
        ("device.removed", "GPU-a is not there any more: NVIDIA H100 80GB HBM3, whole"),
        ("device.added", "GPU-b is there now: NVIDIA H100 80GB HBM3, whole"),
        ("device.recut", "GPU-b is cut anew: NVIDIA H100 80GB HBM3, 1g.10gb"),
    ]
    assert caplog.records[0].__dict__["product"] == "NVIDIA H100 80GB HBM3"
