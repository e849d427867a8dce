"""Whether a cluster is fit to enforce anything, and what somebody changed in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scheduler.kube.connection import Away, Connection, Refused
from scheduler.kube.fitness import Fitness, look, version
from tests.unit.dure.kube_objects import the_chart
from tests.unit.scheduler.kube.answering import Listener, listening


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Listener, Connection]]:
    with listening(tmp_path) as found:
        yield found


def has(listener: Listener, chart: dict[str, list[dict[str, Any]]]) -> None:
    """Lists of each kind are of that kind alone."""
    root = "/apis/admissionregistration.k8s.io/v1"
    listener.at = {f"{root}/{kind}": {"items": found} for kind, found in chart.items()}


@pytest.mark.parametrize("found", ["v1.36.0", "v1.37.2", "1.37", "v1.40.0-eks-1", "v2.0.0"])
def test_a_cluster_that_is_new_enough_and_has_the_chart_is_fit(pair: tuple[Listener, Connection], found: str) -> None:
    has(pair[0], the_chart())
    assert look(pair[1], found) == Fitness()
    assert len(pair[0].got) == 4


@pytest.mark.parametrize("found", ["v1.35.9", "v1.9.0", "v0.99.0", "", "latest"])
def test_an_older_cluster_is_not_fit_and_is_asked_nothing(pair: tuple[Listener, Connection], found: str) -> None:
    told = look(pair[1], found).unfit
    assert told is not None
    assert told.endswith("1.36 or newer is needed")
    assert pair[0].got == []


@pytest.mark.parametrize(
    ("kind", "said"),
    [("mutatingadmissionpolicies", "policy dure-gate"), ("mutatingadmissionpolicybindings", "binding dure-gate")],
)
@pytest.mark.parametrize("change", ["is missing", "was changed by hand in failurePolicy"])
def test_without_the_gate_as_it_was_shipped_nothing_is_begun(
    pair: tuple[Listener, Connection], kind: str, said: str, change: str
) -> None:
    chart = the_chart()
    if change == "is missing":
        del chart[kind][0]
    else:
        chart[kind][0]["spec"]["failurePolicy"] = "Ignore"
    has(pair[0], chart)
    told = look(pair[1], "v1.37.2").unfit
    assert told is not None
    assert told.startswith(f"{said} {change}: install the chart")


def test_a_cluster_without_the_chart_lacks_the_gate(pair: tuple[Listener, Connection]) -> None:
    has(pair[0], {kind: [] for kind in the_chart()})
    told = look(pair[1], "v1.37.2")
    assert told.unfit is not None
    assert told.unfit.startswith("policy dure-gate is missing and binding dure-gate is missing: install the chart")


def test_that_another_policy_is_gone_or_changed_is_an_alarm_and_stops_nothing(
    pair: tuple[Listener, Connection],
) -> None:
    chart = the_chart()
    del chart["validatingadmissionpolicies"][0]
    chart["validatingadmissionpolicybindings"][1]["spec"]["validationActions"] = ["Audit"]
    has(pair[0], chart)
    assert look(pair[1], "v1.37.2") == Fitness(
        alarms=(
            "policy dure-accounts is missing: helm upgrade the chart",
            "binding dure-claims was changed by hand in validationActions: helm upgrade the chart",
        )
    )


def test_a_chart_of_before_is_an_alarm_alone(pair: tuple[Listener, Connection]) -> None:
    chart = the_chart()
    for found in chart.values():
        for one in found:
            del one["metadata"]["annotations"]
    has(pair[0], chart)
    told = look(pair[1], "v1.37.2")
    assert told.unfit is None
    assert len(told.alarms) == sum(map(len, chart.values()))


@pytest.mark.parametrize(
    ("served", "said"),
    [
        (None, "mutatingadmissionpolicies and validatingadmissionpolicies"),
        (["validatingadmissionpolicies"], "mutatingadmissionpolicies"),
    ],
)
def test_a_policy_api_that_is_off_is_named_and_what_to_do(
    pair: tuple[Listener, Connection], served: list[str] | None, said: str
) -> None:
    pair[0].says({"reason": "NotFound", "message": "the server could not find the requested resource"}, status=404)
    if served is not None:
        pair[0].at = {"/apis/admissionregistration.k8s.io/v1": {"resources": [{"name": one} for one in served]}}
    found = look(pair[1], "v1.37.2")
    assert found.unfit == (
        f"admissionregistration.k8s.io/v1 does not serve {said}: take it out of the API server's --runtime-config"
    )


@pytest.mark.parametrize(("status", "error"), [(403, Refused), (503, Away)])
def test_what_cannot_be_known_is_told(pair: tuple[Listener, Connection], status: int, error: type[Exception]) -> None:
    pair[0].says({"reason": "No", "message": "no"}, status=status)
    with pytest.raises(error, match=f"{status} No: no"):
        look(pair[1], "v1.37.2")


def test_a_cluster_says_what_it_is(pair: tuple[Listener, Connection]) -> None:
    pair[0].says({"gitVersion": "v1.37.2"})
    assert version(pair[1]) == "v1.37.2"
    pair[0].says({})
    assert version(pair[1]) == ""
