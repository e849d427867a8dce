"""What `make up` says of the clusters that it is told of: against a server that is a list of them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from deploy.local import clusters
from deploy.local.commands import Ended

AGES_AGO = (datetime.now(UTC) - timedelta(days=1)).isoformat()
BEGAN = (datetime.now(UTC) - timedelta(minutes=1)).timestamp()


def cluster(name: str = "main", *, heard_at: str | None = None, trouble: str | None = None) -> dict[str, Any]:
    return {"name": name, "version": heard_at and "v1.37.2", "heard_at": heard_at, "trouble": trouble}


def now() -> str:
    return (datetime.now(UTC) + timedelta(seconds=1)).isoformat()


class Server:
    """Answers `dure clusters`, each time with the next of `answers`, and then with the last."""

    def __init__(self, *answers: list[dict[str, Any]]) -> None:
        self._answers = list(answers)
        self.asked = 0

    def __call__(self, *arguments: str) -> Any:
        assert arguments == ("clusters",)
        self.asked += 1
        return {"items": self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]}

    def names(self, noun: str) -> set[str]:
        raise AssertionError(noun)


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """One cluster, told to both."""
    monkeypatch.setattr(clusters, "SETTLED_S", 0.05)
    monkeypatch.setattr(clusters, "LOOK_S", 0.01)
    (tmp_path / "kubeconfig").touch()
    return {
        "DURE_SCHEDULER_CLUSTERS": "main=/etc/scheduler#admin",
        "DURE_API_CLUSTERS": f"main={tmp_path}/kubeconfig#a",
    }


def said(server: Server, environ: Mapping[str, str]) -> list[str]:
    return clusters.said(server, environ, Event(), began=BEGAN)


def test_without_a_cluster_nobody_is_asked_and_nothing_is_said() -> None:
    server = Server([])
    assert said(server, {}) == []
    assert server.asked == 0


def test_one_that_answers_is_said_as_soon_as_it_does(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "SETTLED_S", 60)
    server = Server([cluster(heard_at=AGES_AGO)], [cluster(heard_at=now())])
    assert said(server, environ) == [
        "main: Kubernetes v1.37.2 answers, and enforces the leases of the pools that name it"
    ]
    assert server.asked == 2


def test_one_that_answered_while_the_rest_was_started_is_not_asked_again(environ: dict[str, str]) -> None:
    server = Server([cluster(heard_at=datetime.fromtimestamp(BEGAN + 1, UTC).isoformat())])
    assert said(server, environ) == [
        "main: Kubernetes v1.37.2 answers, and enforces the leases of the pools that name it"
    ]
    assert server.asked == 1


@pytest.mark.parametrize(
    ("found", "want"),
    [
        pytest.param(
            [cluster(trouble="cluster main: /no/such cannot be used (no such file)")],
            "leases are NOT enforced: /no/such cannot be used (no such file) (`dure clusters` says when they are)",
            id="a kubeconfig that cannot be used",
        ),
        pytest.param(
            [cluster(heard_at=AGES_AGO)],
            "leases are NOT enforced: it has not answered yet (`dure clusters` says when they are)",
            id="an earlier run's answer is none",
        ),
        pytest.param([], "leases are NOT enforced: it has not answered yet (`dure clusters` says when they are)", id="not known"),
    ],
)  # fmt: skip
def test_one_that_does_not_answer_is_said_with_why(
    environ: dict[str, str], found: list[dict[str, Any]], want: str
) -> None:
    assert said(Server(found), environ) == [f"main: {want}"]


def test_what_is_wrong_with_one_that_answers_is_said(environ: dict[str, str]) -> None:
    (line,) = said(Server([cluster(heard_at=now(), trouble="no policy dure-gate: install the chart")]), environ)
    assert line == (
        "main: Kubernetes v1.37.2 answers, and something is wrong with it: no policy dure-gate: install the chart"
    )


def test_one_that_only_one_of_the_two_is_told_of_is_said(environ: dict[str, str]) -> None:
    server = Server([cluster(heard_at=now())])
    (line,) = said(server, {**environ, "DURE_API_CLUSTERS": ""})
    assert line.endswith("; no keys to it are made: DURE_API_CLUSTERS does not name it")
    (line,) = said(server, {**environ, "DURE_API_CLUSTERS": "main=/no/such"})
    assert line.endswith("; no keys to it are made: DURE_API_CLUSTERS names /no/such, which is no file")
    (_, line) = said(server, {**environ, "DURE_API_CLUSTERS": f"{environ['DURE_API_CLUSTERS']}, edge=in-cluster"})
    assert line == "edge: leases are NOT enforced: DURE_SCHEDULER_CLUSTERS does not name it"


def test_it_is_given_up_when_the_supervisor_is_told_to_end(environ: dict[str, str]) -> None:
    ending = Event()
    ending.set()
    with pytest.raises(Ended):
        clusters.said(Server([cluster()]), environ, ending, began=BEGAN)
