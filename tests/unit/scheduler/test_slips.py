"""By how much a promise is later than the first one, and through what."""

import pytest

from scheduler.core.model import Instant
from scheduler.core.slips import Slip, Told, slips


def told(*promises: int | None) -> list[Told[int]]:
    """One thing after the other, by its number, with the promise that it left."""
    return [
        Told(promised_start=None if promise is None else Instant(promise), what=number)
        for number, promise in enumerate(promises)
    ]


@pytest.mark.parametrize(
    ("promises", "want"),
    [
        pytest.param([], [], id="nothing was told"),
        pytest.param([100, 100, 100], [], id="kept"),
        pytest.param([None, None, 100], [], id="queued by its ask, then promised"),
        pytest.param([100, 160], [(100, 160, 1)], id="later"),
        pytest.param([100, 160, 400, 400], [(100, 160, 1), (160, 400, 2)], id="later twice"),
        pytest.param([100, 160, 100], [], id="later and back"),
        pytest.param([100, 160, 90], [], id="later and then earlier than ever"),
        pytest.param([100, 160, 130], [(100, 130, 1)], id="later and a part of it back"),
        pytest.param([100, 160, 400, 150], [(100, 150, 1)], id="later twice, and back before the second"),
        pytest.param([100, 160, 100, 300], [(100, 300, 3)], id="later, back, and later by something else"),
        pytest.param([100, None], [(100, None, 1)], id="lost"),
        pytest.param([100, None, None, 500], [(100, 500, 1)], id="lost and given again, later"),
        pytest.param([100, None, 100], [], id="lost and given again as it was"),
        pytest.param([100, 160, None, 500], [(100, 160, 1), (160, 500, 2)], id="later, then lost and given again"),
        pytest.param([100, 160, None, None], [(100, 160, 1), (160, None, 2)], id="later, then lost for good"),
    ],
)
def test_what_holds_of_the_slips(promises: list[int | None], want: list[tuple[int, int | None, int]]) -> None:
    assert [(slip.before, slip.after, slip.what) for slip in slips(told(*promises))] == want


@pytest.mark.parametrize("promises", [[5, 9, 3, 7, 8, 6], [5, None, 9, 7, None, 8], [1, 2, 3, 2, 1, 4]])
def test_the_slips_that_hold_lead_from_the_lowest_since_to_the_promise_now(promises: list[int | None]) -> None:
    found: list[Slip[int]] = list(slips(told(*promises)))
    assert found[-1].after == promises[-1]
    assert [slip.after for slip in found[:-1]] == [slip.before for slip in found[1:]]
