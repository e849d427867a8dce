"""Instants as they are written on objects."""

from scheduler.kube.instants import written
from scheduler.kube.observed import seconds


def test_an_instant_is_written_in_whole_seconds_of_utc() -> None:
    assert written(1_800_000_000.9) == "2027-01-15T08:00:00Z"


def test_what_is_written_is_read_again() -> None:
    assert seconds(written(1_800_000_000)) == 1_800_000_000
    assert seconds("2027-01-15T09:00:00.250000+01:00") == 1_800_000_000.25
    assert seconds(None) is None
