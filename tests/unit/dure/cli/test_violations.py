"""dure violations: who is on a GPU that no lease explains."""

import json
from typing import Any

import pytest

from dure import wire
from tests.unit.dure.answers import NOW, Api, in_s, page
from tests.unit.dure.conftest import Run

LIST = ("GET", "/v1/violations")


def a_violation(**more: Any) -> wire.Violation:
    return wire.Violation.model_validate(
        {
            "id": "vio_1",
            "node": "gpu-02",
            "gpu": "GPU-2",
            "kind": "process",
            "pool": "h100-80gb",
            "lease": None,
            "company": None,
            "began_at": in_s(-600),
            "seen_at": NOW,
            "ended_at": None,
            "done": "observed",
            "evidence": {"pid": 4321, "name": "python3", "cgroup": "/user.slice"},
            **more,
        }
    )


def test_a_process_is_shown_with_where_it_is_since_when_and_how_it_is_known(api: Api, run: Run) -> None:
    api.on(*LIST, page(a_violation()))
    shown = run("violations").stdout
    for said in ("gpu-02", "GPU-2", "process 4321 (python3)", "09:38", "cgroup /user.slice", "told of"):
        assert said in shown
    assert api.seen[0].url.params["open"] == "true"


@pytest.mark.parametrize(
    ("done", "says"),
    [("pod_ended", "its pod is ended"), ("not_ours", "it is in no company's namespace, so it is yours to end")],
)
def test_a_pod_is_shown_with_whose_gpu_it_is_and_what_is_done(api: Api, run: Run, done: str, says: str) -> None:
    pod = {"namespace": "dure-co-acme", "pod": "train-0", "container": "main"}
    api.on(*LIST, page(a_violation(kind="pod", lease="lea_1", company="acme", done=done, evidence=pod)))
    shown = run("violations").stdout
    for said in ("pod dure-co-acme/train-0", "lea_1", "container main", says):
        assert said in shown


def test_a_process_in_a_pod_is_shown_with_the_pod(api: Api, run: Run) -> None:
    inside = {"pid": 7, "pod_uid": "u-1", "namespace": "dure-co-acme", "pod": "train-0"}
    api.on(*LIST, page(a_violation(evidence=inside)))
    shown = run("violations").stdout
    assert "process 7" in shown
    assert "pod dure-co-acme/train-0, pod uid u-1" in shown


def test_those_that_are_over_are_asked_for_and_of_one_node(api: Api, run: Run) -> None:
    api.on(*LIST, page(a_violation(ended_at=in_s(-60))))
    shown = run("violations", "--past", "--node", "gpu-02").stdout
    assert "09:47" in shown
    assert dict(api.seen[0].url.params) == {"node": "gpu-02", "limit": "50"}


def test_nobody_is_said_in_words(api: Api, run: Run) -> None:
    api.on(*LIST, page())
    assert "nobody is on a GPU without a lease" in run("violations").stdout


def test_as_json_it_is_a_page(api: Api, run: Run) -> None:
    api.on(*LIST, page(a_violation()))
    (found,) = json.loads(run("--json", "violations").stdout)["items"]
    assert wire.Violation.model_validate(found) == a_violation()


def test_a_node_that_cannot_be_one_is_refused_before_it_is_asked(api: Api, run: Run) -> None:
    assert "--node" in run("violations", "--node", "GPU 2").stderr
    assert api.seen == []
