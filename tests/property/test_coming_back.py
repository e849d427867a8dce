"""An agent and the allocator on either side of an outage: how long the one waits, and when the other calls its node silent."""

import random

from hypothesis import given
from hypothesis import strategies as st

from agents.reporting.backoff import Backoff
from agents.reporting.uplink import PATIENCE
from scheduler.store.heard import BACK_WITHIN_S, silent_after_s

ASKED_S = [None, 2.0, 10.0]
"""What an API asks for that has no database, or one whose disk is full."""


@given(
    interval_s=st.floats(0.1, 3600),
    away_s=st.floats(0, 300),
    hangs=st.booleans(),
    asked_s=st.sampled_from(ASKED_S),
    chance=st.randoms(use_true_random=False),
)
def test_an_agent_that_found_us_away_tries_again_before_its_node_is_called_silent(
    interval_s: float, away_s: float, hangs: bool, asked_s: float | None, chance: random.Random
) -> None:
    backoff, at = Backoff(interval_s, chance=chance), 0.0
    while at < away_s:
        at += PATIENCE.total_s + backoff.failed() if hangs else backoff.failed(asked_s)
    assert at < away_s + max(BACK_WITHIN_S, silent_after_s(interval_s))
