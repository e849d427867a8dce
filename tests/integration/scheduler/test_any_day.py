"""The state machine over the real store: any day of companies, quotas, asks, changes, losses and crashes between statements.

After every step: nobody above its quota at any instant, nor a period above its budget; the walk-in reserve left alone by
what is booked ahead; the ledger balanced; no promise broken and no GPU promised twice; spot told its notice; every state
reached by the table alone; and the books that are kept, read anew and made of the log one and the same.
"""

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.effort import examples
from tests.integration.scheduler.day.failing import Failing
from tests.servers import Server


class AnyDay(Failing):
    """All of it together."""


@pytest.mark.timeout(500)
def test_any_day(embedded: Server) -> None:
    AnyDay.server = embedded
    run_state_machine_as_test(
        AnyDay, settings=settings(max_examples=examples(4), stateful_step_count=25, deadline=None, print_blob=True)
    )
