"""What became of the chart's policies since Helm wrote them."""

from collections.abc import Callable
from typing import Any

import pytest

from dure import kube
from dure.kube_policies import POLICIES, drifted
from tests.unit.dure.kube_objects import the_chart

VALIDATING = "validatingadmissionpolicies"
BOUND = "validatingadmissionpolicybindings"

Change = Callable[[dict[str, Any]], object]


def said(chart: dict[str, list[dict[str, Any]]]) -> list[str]:
    return [one.said for kind in POLICIES for one in drifted(kind, chart[kind])]


def test_what_the_api_server_fills_in_is_no_change() -> None:
    chart = the_chart()
    assert said(chart) == []
    for found in chart[VALIDATING]:
        found["spec"]["matchConstraints"] |= {"matchPolicy": "Equivalent", "objectSelector": {}}
    assert said(chart) == []


def test_what_others_have_beside_it_is_theirs() -> None:
    chart = the_chart()
    for found in chart.values():
        found.append({"metadata": {"name": "somebodys"}, "spec": {}})
    assert said(chart) == []


@pytest.mark.parametrize(
    ("kind", "change", "field"),
    [
        pytest.param(VALIDATING, lambda spec: spec.update(failurePolicy="Ignore"), "failurePolicy", id="fails open"),
        pytest.param(VALIDATING, lambda spec: spec.pop("failurePolicy"), None, id="what is meant anyway"),
        pytest.param(
            VALIDATING,
            lambda spec: spec.update(matchConditions=[{"name": "never", "expression": "false"}]),
            "matchConditions",
            id="a condition more",
        ),
        pytest.param(
            VALIDATING, lambda spec: spec["validations"][0].update(expression="true"), "validations", id="it lets go by"
        ),
        pytest.param(VALIDATING, lambda spec: spec["validations"].clear(), "validations", id="it says nothing"),
        pytest.param(
            VALIDATING,
            lambda spec: spec["matchConstraints"].update(objectSelector={"matchLabels": {"a": "b"}}),
            "matchConstraints",
            id="it is narrowed",
        ),
        pytest.param(
            VALIDATING,
            lambda spec: spec["matchConstraints"].update(matchPolicy="Exact"),
            "matchConstraints",
            id="older versions go by",
        ),
        pytest.param(
            BOUND, lambda spec: spec.update(validationActions=["Warn"]), "validationActions", id="it only warns"
        ),
        pytest.param(BOUND, lambda spec: spec["validationActions"].append("Audit"), None, id="it is audited as well"),
        pytest.param(
            BOUND,
            lambda spec: spec.update(matchResources={"namespaceSelector": {"matchLabels": {"a": "b"}}}),
            "matchResources",
            id="it is bound to less",
        ),
        pytest.param(BOUND, lambda spec: spec.update(policyName="other"), "policyName", id="it is bound to another"),
    ],
)
def test_what_somebody_changed_is_named_with_what_changed(kind: str, change: Change, field: str | None) -> None:
    chart = the_chart()
    change(chart[kind][3]["spec"])
    what = "binding" if kind == BOUND else "policy"
    name = chart[kind][3]["metadata"]["name"]
    assert said(chart) == ([] if field is None else [f"{what} {name} was changed by hand in {field}"])


@pytest.mark.parametrize("kind", POLICIES)
def test_what_is_gone_is_named(kind: str) -> None:
    chart = the_chart()
    gone = chart[kind].pop(0)["metadata"]["name"]
    what = "binding" if kind.endswith("bindings") else "policy"
    assert said(chart) == [f"{what} {gone} is missing"]


@pytest.mark.parametrize("annotations", [None, {}, {kube.SHIPPED: "{"}, {kube.SHIPPED: "[]"}])
def test_one_that_does_not_say_what_was_shipped_is_not_known_to_be_changed(annotations: dict[str, str] | None) -> None:
    chart = the_chart()
    chart[VALIDATING][0]["metadata"]["annotations"] = annotations
    [found] = drifted(VALIDATING, chart[VALIDATING])
    assert found.said == "policy dure-accounts does not say what the chart wrote: it is another chart's"
    assert not found.is_sure
