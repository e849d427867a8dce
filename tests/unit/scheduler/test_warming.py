from typing import Any

import pytest

from scheduler.core.compiled import choose, rows, screen, search, share
from scheduler.core.decide import decide
from scheduler.core.model import Gang, Instant, LeaseId, State, Total
from scheduler.core.replan import expectation, replan
from scheduler.warming import warm
from tests.builders import a_book, a_lease, an_ask

CALLED = [
    *(rows.add, rows.forget, rows.last_at, rows.least, rows.packed, rows.lend, rows.book, rows.book_beside),
    *(search.start, choose.lows, choose.suits, screen.next_to_try, share.first_beyond),
]
"""What Python calls; they call the others."""


@pytest.mark.parametrize("function", CALLED, ids=lambda found: found.__name__)
def test_a_warm_process_never_waits_for_the_compiler_again(function: Any):
    warm()
    before = list(function.signatures)
    book = a_book(a_lease(state=State.ACTIVE, starts_at=900, duration_s=500), nodes=3)
    for k, shape in enumerate((Gang(nodes=3, gpus_per_node=6), Total(gpus=9), Gang(nodes=1, gpus_per_node=8))):
        book = decide(book, [(LeaseId(f"lea_{k}"), an_ask(shape, start_by=1500))], Instant(1000)).book
    replan(book.since(1000), (), Instant(1000))
    expectation(book, (), Instant(1000))
    assert before
    assert list(function.signatures) == before
