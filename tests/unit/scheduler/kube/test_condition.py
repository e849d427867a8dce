"""How a cluster is."""

from structlog.testing import capture_logs

from scheduler.kube.condition import Condition


def test_what_is_wrong_is_wrong_until_whoever_found_it_finds_it_well() -> None:
    it = Condition("main", lambda: 5.0)
    assert it.trouble is None
    it.wrong("pods", "they cannot be read")
    it.wrong("fitness", "too old")
    it.well("pods")
    assert it.trouble == "too old"
    it.well("nodes")
    assert it.trouble == "too old"
    it.well("fitness")
    assert it.trouble is None


def test_it_is_told_once_that_a_cluster_is_in_trouble_and_once_that_it_is_well() -> None:
    it = Condition("main", lambda: 5.0)
    with capture_logs() as logs:
        for _ in range(3):
            it.wrong("pods", "they cannot be read")
            it.wrong("nodes", "they cannot be read")
        it.well("pods")
        it.well("nodes")
        it.well("nodes")
    assert [one["action"] for one in logs] == ["cluster_trouble", "cluster_well"]


def test_when_it_answered_last_is_known() -> None:
    it = Condition("main", lambda: 5.0)
    assert it.heard_at is None
    it.heard()
    assert it.heard_at == 5.0
