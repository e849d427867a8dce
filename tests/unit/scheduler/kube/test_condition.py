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


def test_what_is_to_be_seen_to_is_said_beside_and_keeps_nothing_from_being_enforced() -> None:
    it = Condition("main", lambda: 5.0)
    assert (it.alarms, it.said) == ((), None)
    it.alarm("policies", ["policy dure-hosts is missing"])
    it.alarm("nodes", ["no node is of pool h100"])
    assert it.trouble is None
    assert it.said == "policy dure-hosts is missing; no node is of pool h100"
    it.wrong("pods", "they cannot be read")
    assert it.said == "they cannot be read"
    it.well("pods")
    it.alarm("policies", [])
    assert it.said == "no node is of pool h100"


def test_of_many_things_to_be_seen_to_the_first_are_said_and_how_many_more() -> None:
    it = Condition("main", lambda: 5.0)
    it.alarm("nodes", [f"n{number}" for number in range(9)])
    assert it.said == "n0; n1; n2; n3; n4; and 4 more"
    assert len(it.alarms) == 9


def test_each_thing_to_be_seen_to_is_logged_once_while_it_lasts() -> None:
    it = Condition("main", lambda: 5.0)
    with capture_logs() as logs:
        for found in ([], ["a"], ["a"], ["b", "a"], [], ["a"]):
            it.alarm("nodes", found)
    assert [(one["action"], one.get("why")) for one in logs] == [
        ("cluster_alarm", "a"),
        ("cluster_alarm", "b"),
        ("cluster_alarm_over", None),
        ("cluster_alarm", "a"),
    ]


def test_when_it_answered_last_is_known() -> None:
    it = Condition("main", lambda: 5.0)
    assert it.heard_at is None
    it.heard()
    assert it.heard_at == 5.0
