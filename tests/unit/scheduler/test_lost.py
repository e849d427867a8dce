"""What is known of a GPU that a lease holds after each thing that is heard of it."""

import pytest

from scheduler.core.lost import Lost, Wrong, judge
from scheduler.core.model import Instant

HEARD, SINCE, NOW = Instant(90), Instant(50), Instant(100)


def lost(wrong: Wrong, since: int = SINCE, until: int | None = None) -> Lost:
    return Lost(since=Instant(since), until=None if until is None else Instant(until), wrong=wrong)


@pytest.mark.parametrize(
    ("before", "wrong", "restarted", "want"),
    [
        pytest.param(None, None, False, None, id="all is well"),
        pytest.param(None, Wrong.GPU_UNHEALTHY, False, lost(Wrong.GPU_UNHEALTHY, NOW), id="it falls sick"),
        pytest.param(None, Wrong.NODE_UNKNOWN, False, lost(Wrong.NODE_UNKNOWN, HEARD), id="its node falls silent"),
        pytest.param(None, None, True, lost(Wrong.NODE_RESTARTED, HEARD, NOW), id="a restart that nobody noticed"),
        pytest.param(None, Wrong.GPU_GONE, True, lost(Wrong.GPU_GONE, HEARD), id="gone since a restart"),
        pytest.param(lost(Wrong.NODE_UNKNOWN), None, False, None, id="silence that ends"),
        pytest.param(
            lost(Wrong.NODE_UNKNOWN), None, True, lost(Wrong.NODE_RESTARTED, SINCE, NOW), id="a restart in silence"
        ),
        pytest.param(
            lost(Wrong.NODE_UNKNOWN), Wrong.GPU_GONE, False, lost(Wrong.GPU_GONE), id="gone since the silence"
        ),
        pytest.param(lost(Wrong.GPU_GONE), None, False, lost(Wrong.GPU_GONE, SINCE, NOW), id="it is back"),
        pytest.param(lost(Wrong.GPU_GONE), None, True, lost(Wrong.GPU_GONE, SINCE, NOW), id="back after a restart"),
        pytest.param(
            lost(Wrong.GPU_UNHEALTHY), Wrong.NODE_UNKNOWN, False, lost(Wrong.GPU_UNHEALTHY), id="sick, then silent"
        ),
    ],
)
def test_what_is_known(before: Lost | None, wrong: Wrong | None, restarted: bool, want: Lost | None) -> None:
    assert judge(before, wrong, heard_at=HEARD, restarted=restarted, now=NOW) == want
