"""Nodes for which a cluster vouches."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from dure import wire
from dure.errors import DureError, UnknownNode, WrongNode
from scheduler.actor import Actor
from scheduler.store import audit, nodes, vouched
from scheduler.store.db import Database
from tests.integration.scheduler.conftest import ADMIN, T0


def agent(cluster: str = "main", node: str = "gpu-01") -> Actor:
    return Actor(role=wire.Role.NODE, token=f"{cluster}/dure-agent-x", node=node, cluster=cluster)


def settled(db: Database, who: Actor, *, enrols: bool = True) -> DureError | None:
    with db.begin() as session:
        return vouched.settle(session, who, enrols=enrols, now=T0)


def lines(db: Database) -> list[wire.AuditEntry]:
    with db.snapshot() as session:
        return audit.page(session, audit.Wanted(action="node.enroll"), after=None, limit=100).items


def enrolled(db: Database, *, renew: bool = False) -> None:
    with db.begin() as session:
        nodes.enroll(session, wire.NodeEnroll(name="gpu-01"), actor=ADMIN, now=T0, renew=renew)


def identity(db: Database) -> wire.NodeIdentity | None:
    with db.snapshot() as session:
        return nodes.get(session, "gpu-01", now=T0).identity


def test_the_first_word_of_a_cluster_enrols_the_node_and_the_next_changes_nothing(database: Database) -> None:
    assert [settled(database, agent()), settled(database, agent())] == [None, None]
    assert identity(database) == wire.NodeIdentity(by="cluster", cluster="main")
    (line,) = lines(database)
    assert (line.actor, line.after) == ("node:gpu-01:main/dure-agent-x", {"vouched_by": "main"})


def test_two_replicas_that_hear_of_a_node_at_once_enrol_it_once(database: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: settled(database, agent()), range(4))) == [None] * 4
    assert len(lines(database)) == 1


def test_where_clusters_do_not_enrol_an_admin_does(database: Database) -> None:
    refused = settled(database, agent(), enrols=False)
    assert isinstance(refused, UnknownNode)
    assert "dure node enroll gpu-01" in refused.detail
    enrolled(database)
    assert settled(database, agent(), enrols=False) is None
    assert identity(database) == wire.NodeIdentity(by="cluster", cluster="main")


def test_a_node_of_the_same_name_in_another_cluster_is_another(database: Database) -> None:
    assert settled(database, agent()) is None
    refused = settled(database, agent("edge"))
    assert isinstance(refused, WrongNode)
    assert "of cluster main" in refused.detail
    enrolled(database, renew=True)
    assert settled(database, agent("edge")) is None
    assert isinstance(settled(database, agent()), WrongNode)


@pytest.mark.parametrize("name", ["gpu-02.example.org", "n"])
def test_nodes_are_called_as_their_clusters_call_them(database: Database, name: str) -> None:
    assert settled(database, agent(node=name)) is None
