"""Whether a cluster is fit to enforce anything."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.kube.connection import Away, Connection, Refused
from scheduler.kube.fitness import unfit, version
from tests.unit.scheduler.kube.answering import Listener, listening


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Listener, Connection]]:
    with listening(tmp_path) as found:
        yield found


@pytest.mark.parametrize("found", ["v1.36.0", "v1.37.2", "1.37", "v1.40.0-eks-1", "v2.0.0"])
def test_a_cluster_that_is_new_enough_and_has_the_gate_is_fit(pair: tuple[Listener, Connection], found: str) -> None:
    assert unfit(pair[1], found) is None
    asked = [got.path.rpartition("/apis/")[2] for got in pair[0].got]
    assert asked == [
        "admissionregistration.k8s.io/v1/mutatingadmissionpolicies/dure-gate",
        "admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings/dure-gate",
    ]


@pytest.mark.parametrize("found", ["v1.35.9", "v1.9.0", "v0.99.0", "", "latest"])
def test_an_older_cluster_is_not_fit_and_is_asked_nothing(pair: tuple[Listener, Connection], found: str) -> None:
    told = unfit(pair[1], found)
    assert told is not None
    assert told.endswith("1.36 or newer is needed")
    assert pair[0].got == []


def test_without_the_gate_nothing_is_begun(pair: tuple[Listener, Connection]) -> None:
    pair[0].says({"reason": "NotFound", "message": "no such policy"}, status=404)
    told = unfit(pair[1], "v1.37.2")
    assert told is not None
    assert told.startswith("mutatingadmissionpolicies dure-gate is not there: install the chart")


@pytest.mark.parametrize(("status", "error"), [(403, Refused), (503, Away)])
def test_what_cannot_be_known_is_told(pair: tuple[Listener, Connection], status: int, error: type[Exception]) -> None:
    pair[0].says({"reason": "No", "message": "no"}, status=status)
    with pytest.raises(error, match=f"{status} No: no"):
        unfit(pair[1], "v1.37.2")


def test_a_cluster_says_what_it_is(pair: tuple[Listener, Connection]) -> None:
    pair[0].says({"gitVersion": "v1.37.2"})
    assert version(pair[1]) == "v1.37.2"
    pair[0].says({})
    assert version(pair[1]) == ""
