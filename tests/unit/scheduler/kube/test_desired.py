"""What a lease says of itself."""

from scheduler.kube.desired import Terms
from tests.unit.scheduler.kube.builders import a_lease


def test_a_lease_has_the_gpus_of_all_its_nodes() -> None:
    assert a_lease(placement={"n1": 8, "n2": 4}).gpus == 12


def test_a_lease_is_ending_a_grace_before_it_stops() -> None:
    assert a_lease(stops_at=1000, grace_s=30).ending_at == 970


def test_every_grace_is_over_six_seconds_before_a_lease_stops_unless_the_operator_says_otherwise() -> None:
    lease = a_lease(stops_at=1000, grace_s=30)
    assert Terms().cut_at(lease) == 994
    assert Terms(kill_margin_s=10).cut_at(lease) == 990
