"""A policy that would open again what has closed, or end at once what runs, waits for the leases that were told otherwise."""

from dataclasses import replace

import pytest

from scheduler.core.model import CompanyId, Gang, Instant, Lease, LeaseId, PoolId, State, Tier
from scheduler.core.told import Told, ended, reopened

HOUR = 3600


def runs(name: str = "lea_a", *, starts: int = 0, duration_s: int = HOUR) -> Lease:
    return Lease(
        id=LeaseId(name),
        company=CompanyId("acme"),
        pool=PoolId("h100"),
        shape=Gang(nodes=1, gpus_per_node=8),
        duration_s=duration_s,
        state=State.ACTIVE,
        starts_at=Instant(starts),
        ends_at=Instant(starts + duration_s),
        stops_at=Instant(starts + duration_s),
    )


def told(*leases: str, until: int) -> Told:
    return Told(leases=tuple(LeaseId(one) for one in leases), until=Instant(until))


@pytest.mark.parametrize(("at", "is_told"), [(2999, False), (3000, True), (3539, True), (3540, False)])
def test_what_has_closed_is_reopened_from_when_it_closed_until_it_would_close(at: int, is_told: bool) -> None:
    found = reopened([runs()], 600, 60, Instant(at))
    assert found == (told("lea_a", until=3540) if is_told else None)


@pytest.mark.parametrize(("at", "is_told"), [(2699, False), (2700, True), (3569, True), (3570, False)])
def test_a_longer_grace_ends_at_once_what_has_less_left(at: int, is_told: bool) -> None:
    found = ended([runs()], 30, 900, Instant(at))
    assert found == (told("lea_a", until=3570) if is_told else None)


def test_what_closes_earlier_and_a_shorter_grace_are_in_nobodys_way() -> None:
    assert reopened([runs()], 60, 600, Instant(3300)) is None
    assert ended([runs()], 900, 30, Instant(3300)) is None


def test_a_box_counts_with_half_of_itself_where_it_is_short() -> None:
    short = runs(duration_s=100)
    assert reopened([short], 600, 60, Instant(50)) is None, "it closes at half of it by either"
    assert reopened([short], 600, 20, Instant(50)) == told("lea_a", until=80)
    assert ended([short], 20, 600, Instant(50)) == told("lea_a", until=80)


def test_what_never_could_be_extended_is_not_reopened() -> None:
    one = runs()
    assert reopened([replace(one, tier=Tier.SPOT)], 600, 60, Instant(3300)) is None
    assert reopened([one], 600, 60, Instant(3300), frozenset({one.id})) is None
    for state in (State.SCHEDULED, State.ENDING, State.ENDED):
        assert reopened([replace(one, state=state)], 600, 60, Instant(3300)) is None


def test_it_is_possible_once_it_is_nobodys_window_also_of_those_that_come_into_it_meanwhile() -> None:
    later = replace(runs("lea_later", starts=3500, duration_s=600), state=State.SCHEDULED)
    others = [runs(), runs("lea_next", starts=300), later, runs("lea_far", starts=9 * HOUR)]
    assert reopened(others, 600, 60, Instant(3300)) == told("lea_a", "lea_next", until=4040)
