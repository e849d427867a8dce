"""The double entry: what each kind moves, and that it always adds up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.ledger import Balances, Kind, Transfer, moved, transfer

SIGNED: list[Kind] = ["grant", "adjust"]
OTHERS: list[Kind] = ["commit", "settle", "refund", "expire"]


@pytest.mark.parametrize(
    ("kind", "limited", "way"),
    [
        pytest.param("grant", True, ("source", "available"), id="a budget becomes available"),
        pytest.param("commit", True, ("available", "committed"), id="a promise takes of what is available"),
        pytest.param("commit", False, ("source", "committed"), id="without a budget straight from the source"),
        pytest.param("settle", True, ("committed", "spent"), id="what was had is spent"),
        pytest.param("refund", True, ("committed", "available"), id="what was not had is available again"),
        pytest.param("refund", False, ("committed", "source"), id="or back where it came from"),
        pytest.param("adjust", True, ("source", "available"), id="an admin gives"),
        pytest.param("expire", True, ("available", "expired"), id="what nobody used is over"),
    ],
)
def test_each_kind_has_its_way(kind: Kind, limited: bool, way: tuple[str, str]) -> None:
    found = transfer(kind, 5, limited=limited)
    assert (found.debit, found.credit, found.gpu_seconds) == (*way, 5)


@pytest.mark.parametrize("kind", SIGNED)
def test_what_is_taken_back_goes_the_other_way(kind: Kind) -> None:
    assert transfer(kind, -5, limited=True) == Transfer(debit="available", credit="source", gpu_seconds=5)


@pytest.mark.parametrize("kind", OTHERS)
def test_nothing_else_is_negative(kind: Kind) -> None:
    with pytest.raises(ValueError, match=f"{kind} of -1"):
        transfer(kind, -1, limited=True)


KINDS = st.one_of(
    st.tuples(st.sampled_from(SIGNED), st.integers(-1000, 1000)),
    st.tuples(st.sampled_from(OTHERS), st.integers(0, 1000)),
)


@given(entries=st.lists(st.tuples(KINDS, st.booleans()), max_size=30))
def test_what_came_out_of_the_source_is_what_there_is(entries: list[tuple[tuple[Kind, int], bool]]) -> None:
    balances, out_of_the_source = Balances(), 0
    for (kind, amount), limited in entries:
        found = transfer(kind, amount, limited=limited)
        balances = moved(balances, found)
        out_of_the_source += found.gpu_seconds * ((found.debit == "source") - (found.credit == "source"))
        assert balances.granted == out_of_the_source
