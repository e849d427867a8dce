"""What happened to a lease in its true order, though times are whole seconds."""

import pytest

from dure import wire
from scheduler.explanations import ordered
from scheduler.store.times import to_wire

State = wire.LeaseState


def step(event: str, state: State, at: int, decision: str | None = None) -> wire.Step:
    return wire.Step(at=to_wire(at), event=event, state=state, cause=None, detail="", decision=decision)


ASKED = step("scheduled", State.SCHEDULED, 10, "dec_1")
STARTED = step("active", State.ACTIVE, 10)
EXTENDED = step("extended", State.ACTIVE, 20, "dec_3")
ENDING = step("ending", State.ENDING, 20)
ENDED = step("ended", State.ENDED, 20)


def refusal(decision: str, state: State = State.ACTIVE, at: int = 20) -> wire.Step:
    return step("extension_refused", state, at, decision)


@pytest.mark.parametrize(
    ("told", "refused", "want"),
    [
        pytest.param([ASKED, STARTED, ENDED], refusal("dec_2"), 2, id="before the end that came in the same second"),
        pytest.param([ASKED, STARTED, ENDING, ENDED], refusal("dec_2", State.ENDING), 3, id="between ending and ended"),
        pytest.param([ASKED, STARTED, EXTENDED, ENDED], refusal("dec_2"), 2, id="before a later decision"),
        pytest.param([ASKED, STARTED, EXTENDED, ENDED], refusal("dec_4"), 3, id="after an earlier decision"),
        pytest.param([ASKED, STARTED], refusal("dec_2", State.SCHEDULED, at=10), 1, id="before the start"),
        pytest.param([ASKED, STARTED], refusal("dec_2", State.ACTIVE, at=10), 2, id="after the start"),
        pytest.param([ASKED, STARTED, ENDED], refusal("dec_2", at=15), 2, id="in a second of its own"),
        pytest.param([ASKED, STARTED], refusal("dec_2", at=30), 2, id="last of all"),
    ],
)
def test_a_refused_change_stands_where_it_happened(told: list[wire.Step], refused: wire.Step, want: int) -> None:
    assert ordered(told, [refused]).index(refused) == want
    assert [one for one in ordered(told, [refused]) if one is not refused] == told


def test_refusals_of_one_second_keep_their_order() -> None:
    refused = [refusal("dec_2"), refusal("dec_4"), refusal("dec_5")]
    assert ordered([ASKED, STARTED, EXTENDED, ENDED], refused) == [
        *(ASKED, STARTED, refused[0], EXTENDED),
        *(refused[1], refused[2], ENDED),
    ]
