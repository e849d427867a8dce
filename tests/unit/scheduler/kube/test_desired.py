"""What a lease says of itself."""

from tests.unit.scheduler.kube.builders import a_lease


def test_a_lease_has_the_gpus_of_all_its_nodes() -> None:
    assert a_lease(placement={"n1": 8, "n2": 4}).gpus == 12


def test_a_lease_is_ending_a_grace_before_it_stops() -> None:
    assert a_lease(stops_at=1000, grace_s=30).ending_at == 970
