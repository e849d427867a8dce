"""The measure of tests that kill says what is wrong, and nothing where all is well."""

from typing import Any

import pytest

from tests.integration.kube.dying import STEADY_S, Death, dealt_with
from tests.integration.kube.lives import Due, Lives

DUE = Due(company="acme", starts_at=100, over_by=200, nodes={"n1": 2})


def a_pod(name: str = "p", *, version: int = 1, lease: str = "lea_a", gpus: int = 1, **status: Any) -> dict[str, Any]:
    container = {"name": "main", "resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}
    meta = {"name": name, "uid": name, "namespace": "dure-co-acme", "resourceVersion": str(version)}
    spec = {"containers": [container], "nodeSelector": {"kubernetes.io/hostname": "n1"}}
    return {"metadata": {**meta, "labels": {"dure.dev/placement": lease}}, "spec": spec, "status": status}


def began(at: int, name: str = "p", **more: Any) -> dict[str, Any]:
    said = f"1970-01-01T00:{at // 60:02}:{at % 60:02}Z"
    return {"type": "MODIFIED", "object": a_pod(name, phase="Running", startTime=said, **more)}


def wrongs(*events: tuple[float, dict[str, Any]], now: float = 300) -> list[str]:
    at = [0.0]
    lives = Lives(frozenset({"acme"}), lambda: at[0])
    for at[0], event in events:
        lives.take(event)
    at[0] = now
    return list(lives.wrongs({"lea_a": DUE}))


GONE = {"type": "DELETED", "object": a_pod()}


@pytest.mark.parametrize(
    ("events", "want"),
    [
        pytest.param([(100, began(100)), (200, GONE)], "", id="inside of its lease"),
        pytest.param([(100, began(99)), (200, GONE)], "began 1.0 s before", id="too early"),
        pytest.param([(100, began(100)), (201, GONE)], "was over 1.0 s after", id="too late"),
        pytest.param([(100, began(100))], "lives", id="for ever"),
        pytest.param([(100, began(100, lease="lea_b")), (200, GONE)], "none of its company's", id="another's"),
        pytest.param([(100, began(100, gpus=3)), (200, GONE)], "had 3 GPUs of n1", id="too many"),
    ],
)
def test_what_no_lease_allows_is_said(events: list[tuple[float, dict[str, Any]]], want: str) -> None:
    found = wrongs(*events)
    assert bool(found) == bool(want)
    assert all(want in one or "it has 0" in one for one in found), found


def test_what_is_known_while_nobody_leads_is_dealt_with_once_somebody_did_for_a_while() -> None:
    deaths = [Death("", 10, 15), Death("", 16, 20)]
    assert dealt_with(deaths, 5) == 5 + STEADY_S
    assert dealt_with(deaths, 9) == 20 + STEADY_S
    assert dealt_with(deaths, 30) == 30 + STEADY_S
