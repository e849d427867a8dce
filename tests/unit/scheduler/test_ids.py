"""Ids say what they are, sort in the order they were made, and are never the same twice."""

from scheduler.ids import first_id, new_id

NOW = 1_800_000_000.25


def test_ids_of_one_instant_sort_in_the_order_they_were_made() -> None:
    made = [new_id("lea", NOW) for _ in range(1000)]
    assert made == sorted(made)
    assert len(set(made)) == 1000


def test_a_later_id_sorts_after_an_earlier_one() -> None:
    assert new_id("lea", NOW + 1) > new_id("lea", NOW)


def test_an_id_is_its_prefix_and_twenty_letters() -> None:
    prefix, _, rest = new_id("dec", NOW).partition("_")
    assert (prefix, len(rest)) == ("dec", 20)


def test_the_first_id_of_an_instant_sorts_between_those_before_and_those_from_then_on() -> None:
    assert new_id("vio", 1_800_000_000.0) < first_id("vio", 1_800_000_001.0) <= new_id("vio", 1_800_000_001.0)
