"""What is known of a cluster, from lists, watches and answers that come in any order."""

from typing import Any

import pytest

from scheduler.kube.actions import Json
from scheduler.kube.observed import Lines, Seen
from scheduler.kube.world import Kind, World, company_of
from tests.unit.scheduler.kube.builders import a_json_pod, a_namespace

POD = "/api/v1/namespaces/dure-co-acme/pods/p"
QUOTA = "/api/v1/namespaces/dure-co-acme/resourcequotas/dure-gpus"
SPACE = "/api/v1/namespaces/dure-co-acme"


class Watched:
    """A world, and what it said of changes."""

    def __init__(self) -> None:
        self.changes: list[str | None] = []
        self.world = World(self.changes.append)

    def seen(self) -> Seen:
        return self.world.seen("acme", {}, {})

    def said(self) -> list[str | None]:
        found, self.changes[:] = list(self.changes), []
        return found

    def event(self, kind: Kind, what: str, found: Json) -> None:
        self.world.event(kind, {"type": what, "object": found})


EXITED = {"containerStatuses": [{"state": {"terminated": {"exitCode": 3}}}]}


@pytest.fixture
def it() -> Watched:
    return Watched()


def a_quota(version: int = 5, **hard: str) -> Json:
    meta = {"name": "dure-gpus", "namespace": "dure-co-acme", "uid": "uid-q", "resourceVersion": str(version)}
    return {"kind": "ResourceQuota", "metadata": meta, "spec": {"hard": hard}}


def a_space(version: int = 5) -> Json:
    found: dict[str, Any] = {"kind": "Namespace", **a_namespace()}
    found["metadata"]["resourceVersion"] = str(version)
    return found


def a_node(version: int = 5, ready: str = "True") -> Json:
    status = {"conditions": [{"type": "Ready", "status": ready}]}
    return {"metadata": {"name": "n1", "resourceVersion": str(version)}, "status": status}


def made_again(version: int) -> Json:
    """Another pod of the same name, as a StatefulSet makes it."""
    return a_json_pod("p", version=version, meta={"uid": "uid-again"})


def test_a_list_is_all_there_is(it: Watched) -> None:
    it.world.replace(Kind.PODS, [a_json_pod("a", version=3), a_json_pod("b", version=4)], "5")
    assert [pod.name for pod in it.seen().pods] == ["a", "b"]
    it.world.replace(Kind.PODS, [a_json_pod("b", version=4)], "9")
    assert [pod.name for pod in it.seen().pods] == ["b"]
    assert (it.world.pods(), it.world.companies()) == (1, frozenset({"acme"}))


def test_a_list_of_one_kind_leaves_the_others(it: Watched) -> None:
    it.world.replace(Kind.PODS, [a_json_pod()], "9")
    it.world.replace(Kind.QUOTAS, [a_quota()], "9")
    it.world.replace(Kind.LIMITS, [], "9")
    it.world.replace(Kind.NAMESPACES, [a_space()], "9")
    it.world.replace(Kind.ACCOUNTS, [], "9")
    found = it.seen()
    assert (len(found.pods), list(found.objects), found.namespace is not None) == (1, [QUOTA], True)


def test_what_is_made_after_a_list_began_is_not_lost_by_it(it: Watched) -> None:
    it.world.answered(a_quota(version=8))
    it.world.replace(Kind.QUOTAS, [], "7")
    assert QUOTA in it.seen().objects
    it.world.replace(Kind.QUOTAS, [], "9")
    assert QUOTA not in it.seen().objects


def test_a_list_that_says_nothing_new_changes_nothing(it: Watched) -> None:
    lists = (
        (Kind.PODS, a_json_pod(version=4)),
        (Kind.QUOTAS, a_quota()),
        (Kind.NAMESPACES, a_space()),
        (Kind.NODES, a_node()),
    )
    for kind, found in lists:
        it.world.replace(kind, [found], "9")
    assert it.said() == ["acme", "acme", "acme", None]
    for kind, found in lists:
        it.world.replace(kind, [found], "19")
    assert it.said() == []


def test_a_cluster_that_was_restored_counts_from_an_earlier_version_again(it: Watched) -> None:
    it.world.replace(Kind.PODS, [a_json_pod("a", version=900), a_json_pod("b", version=901)], "1000")
    it.world.replace(Kind.PODS, [a_json_pod("a", version=20, nodeName="n1")], "30")
    assert [(pod.name, pod.node) for pod in it.seen().pods] == [("a", "n1")]
    it.event(Kind.PODS, "MODIFIED", a_json_pod("a", version=31, nodeName="n2"))
    assert [pod.node for pod in it.seen().pods] == ["n2"]


def test_what_is_of_no_company_is_none_of_ours(it: Watched) -> None:
    other = a_json_pod("a", meta={"namespace": "kube-system"})
    space = {"metadata": {"name": "default", "uid": "u", "resourceVersion": "1"}}
    it.world.replace(Kind.PODS, [other], "9")
    it.event(Kind.PODS, "DELETED", other)
    it.event(Kind.NAMESPACES, "ADDED", space)
    it.event(Kind.NAMESPACES, "DELETED", space)
    assert (it.world.pods(), it.world.companies(), it.said()) == (0, frozenset(), [])
    assert (company_of("dure-co-acme"), company_of("dure-system")) == ("acme", None)


def test_a_watch_adds_changes_and_takes_away(it: Watched) -> None:
    it.event(Kind.PODS, "ADDED", a_json_pod(version=1))
    it.event(Kind.PODS, "MODIFIED", a_json_pod(version=2, nodeName="n1"))
    assert [pod.node for pod in it.seen().pods] == ["n1"]
    it.event(Kind.PODS, "DELETED", a_json_pod(version=3))
    assert (it.seen().pods, it.said()) == ((), ["acme"] * 3)
    assert it.world.companies() == frozenset()


def test_how_a_pod_ended_is_known_though_it_went_before_anybody_looked(it: Watched) -> None:
    it.event(Kind.PODS, "ADDED", a_json_pod("runs", version=1))
    it.event(Kind.PODS, "ADDED", a_json_pod("fails", version=2, meta={"uid": "uid-fails"}))
    over = {**a_json_pod("fails", version=3, meta={"uid": "uid-fails"}), "status": {"phase": "Failed", **EXITED}}
    it.event(Kind.PODS, "DELETED", a_json_pod("runs", version=4))
    it.event(Kind.PODS, "DELETED", over)
    assert [(pod.name, pod.exit_code) for pod in it.world.take_ended("acme")] == [("fails", 3)]
    assert it.world.take_ended("acme") == ()


def test_a_bookmark_is_no_object(it: Watched) -> None:
    it.event(Kind.PODS, "BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": "12"}})
    assert (it.seen().pods, it.said()) == ((), [])


def test_nodes_are_known_by_name_and_concern_everybody(it: Watched) -> None:
    it.event(Kind.NODES, "ADDED", a_node(1))
    it.event(Kind.NODES, "MODIFIED", a_node(2))
    assert it.said() == [None]
    it.event(Kind.NODES, "MODIFIED", a_node(3, ready="Unknown"))
    assert not it.world.nodes["n1"].ready
    it.event(Kind.NODES, "DELETED", a_node(4))
    assert (it.world.nodes, it.said()) == ({}, [None, None])


def test_an_answer_that_is_older_than_what_is_known_is_left_aside(it: Watched) -> None:
    it.event(Kind.PODS, "ADDED", a_json_pod(version=9, nodeName="n1"))
    it.world.answered(a_json_pod(version=8))
    assert [pod.node for pod in it.seen().pods] == ["n1"]


def test_an_answer_is_known_before_the_watch_says_so(it: Watched) -> None:
    it.event(Kind.PODS, "ADDED", a_json_pod(version=9))
    it.world.answered(a_json_pod(version=10, nodeName="n1"))
    assert [pod.node for pod in it.seen().pods] == ["n1"]


def test_an_answer_brings_nobody_back(it: Watched) -> None:
    it.event(Kind.PODS, "ADDED", a_json_pod(version=1))
    it.event(Kind.PODS, "DELETED", a_json_pod(version=3))
    it.world.answered(a_json_pod(version=2))
    assert it.seen().pods == ()


def test_an_answer_about_one_that_is_gone_does_not_hide_the_one_made_again(it: Watched) -> None:
    it.event(Kind.PODS, "ADDED", a_json_pod(version=1))
    it.event(Kind.PODS, "DELETED", a_json_pod(version=3))
    it.event(Kind.PODS, "ADDED", made_again(version=4))
    it.world.answered(a_json_pod(version=2))
    assert [pod.uid for pod in it.seen().pods] == ["uid-again"]


def test_an_object_that_was_deleted_meanwhile_is_not_brought_back_by_our_own_answer(it: Watched) -> None:
    it.event(Kind.QUOTAS, "ADDED", a_quota(version=5))
    it.event(Kind.QUOTAS, "DELETED", a_quota(version=6))
    it.world.answered(a_quota(version=5))
    assert it.seen().objects == {}


def test_what_somebody_changed_after_us_is_not_hidden_by_our_own_answer(it: Watched) -> None:
    it.event(Kind.QUOTAS, "MODIFIED", a_quota(version=6, pods="9000"))
    it.world.answered(a_quota(version=5, pods="500"))
    assert it.seen().objects[QUOTA]["spec"]["hard"] == {"pods": "9000"}


def test_a_late_word_that_one_is_gone_does_not_take_the_one_made_again(it: Watched) -> None:
    it.world.answered(a_space(version=9))
    it.event(Kind.NAMESPACES, "DELETED", a_space(version=8))
    assert it.seen().namespace is not None


def test_an_answer_about_something_else_is_ignored(it: Watched) -> None:
    for found in ({"kind": "Status", "status": "Success"}, {"kind": "Event", "metadata": {}}, {}):
        it.world.answered(found)
    assert it.said() == []


def test_what_changes_by_itself_is_no_change(it: Watched) -> None:
    it.event(Kind.QUOTAS, "ADDED", a_quota(version=5))
    it.said()
    it.event(Kind.QUOTAS, "MODIFIED", {**a_quota(version=6), "status": {"used": {"pods": "3"}}})
    assert it.said() == []


@pytest.mark.parametrize(
    ("kind", "path", "found"),
    [(Kind.PODS, POD, a_json_pod()), (Kind.QUOTAS, QUOTA, a_quota()), (Kind.NAMESPACES, SPACE, a_space())],
)
def test_what_the_api_server_does_not_know_is_gone_unless_it_was_made_anew(
    it: Watched, kind: Kind, path: str, found: Json
) -> None:
    it.event(kind, "ADDED", found)
    it.said()
    it.world.gone(path, "uid-of-another")
    assert it.said() == []
    it.world.gone(path, found["metadata"]["uid"])
    it.world.gone(path, found["metadata"]["uid"])
    assert (it.said(), it.world.companies()) == (["acme"], frozenset())


def test_what_is_read_and_being_opened_is_handed_on(it: Watched) -> None:
    found = it.world.seen("acme", {("u", "main"): Lines.KEPT}, {"u": ("lea_a", "n1")})
    assert (found.lines, found.begun) == ({("u", "main"): Lines.KEPT}, {"u": ("lea_a", "n1")})


def test_only_what_carries_our_label_is_watched_but_for_pods_nodes_and_namespaces() -> None:
    assert {kind for kind in Kind if not kind.is_ours} == {Kind.PODS, Kind.NODES, Kind.NAMESPACES}
