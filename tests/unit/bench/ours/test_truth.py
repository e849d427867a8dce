"""Whether our quotes come true, counted."""

from bench.ours import truth
from bench.ours.truth import Pair, Pairs, Start


def test_a_quote_is_true_when_the_ask_is_promised_no_later_and_starts_by_it() -> None:
    pairs = [
        Pair(said=100, promised=100, now=False, lease="on time"),
        Pair(said=100, promised=90, now=False, lease="earlier"),
        Pair(said=100, promised=101, now=True, lease="a second passed"),
        Pair(said=100, promised=100, now=False, lease="late"),
        Pair(said=100, promised=100, now=False, lease="never"),
    ]
    started = {
        "on time": Start(at=100),
        "earlier": Start(at=80),
        "a second passed": Start(at=101),
        "late": Start(at=107, late="gpu_not_empty"),
    }
    assert truth.row(Pairs(pairs=pairs, repeated=3), started, 1.5) == {
        "pairs": 5,
        "came true": 2,
        "promised later": 1,
        "for a second passed": 1,
        "started later": 2,
        "because": "gpu_not_empty 1, said none 1",
        "started earlier": 1,
        "never started": 1,
        "most late s": 7,
        "repeated": 3,
        "load": 1.5,
    }


def test_where_nothing_started_nothing_is_late() -> None:
    pair = Pair(said=100, promised=100, now=False, lease="never")
    assert truth.row(Pairs(pairs=[pair], repeated=0), {}, 0.0)["most late s"] == 0
