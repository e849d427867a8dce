"""What clusters should hold, as the rows say it; and which cluster a pool may be given."""

import pytest

from dure import wire
from dure.errors import WrongState
from scheduler.store import closing, clusters, enforced, pools
from scheduler.store.clusters import Heard
from scheduler.store.tables import Pod
from tests.integration.scheduler.conftest import ADMIN, T0, World


def named(world: World, cluster: str | None, *, now: int = T0) -> wire.Pool:
    with world.db.begin() as session:
        return pools.change(session, "h100", wire.PoolChange(cluster=cluster), actor=ADMIN, now=now)


def heard(world: World, cluster: str, *, at: float | None) -> None:
    with world.db.begin() as session:
        clusters.heard(session, Heard(cluster=cluster, version=None, heard_at=at, trouble=None))


def test_a_company_is_known_where_no_pool_names_the_cluster_any_more_so_that_its_key_goes_with_it(world: World) -> None:
    named(world, "main")
    named(world, None)
    with world.db.begin() as session:
        closing.close(session, "acme", actor=ADMIN, now=T0 + 1)
    with world.db.snapshot() as session:
        found = enforced.desired(session, "main", least_grace_s=5)
    assert {name: one.closed_at for name, one in found.companies.items()} == {"acme": T0 + 1, "globex": None}
    assert found.resources == ()


@pytest.fixture
def booked(world: World) -> wire.Lease:
    """A lease that runs, of a pool that names a cluster which is called otherwise."""
    named(world, "mian")
    lease = world.ask(8)
    world.turn(T0)
    return lease


@pytest.mark.parametrize("cluster", ["main", None])
def test_a_cluster_that_was_never_heard_is_corrected_while_leases_run(
    world: World, booked: wire.Lease, cluster: str | None
) -> None:
    assert named(world, cluster).cluster == cluster
    with world.db.snapshot() as session:
        found = enforced.desired(session, "main", least_grace_s=5)
    assert [one.id for one in found.companies["acme"].leases] == ([booked.id] if cluster else [])


def test_a_cluster_that_a_scheduler_is_told_of_and_never_heard_is_corrected_too(
    world: World, booked: wire.Lease
) -> None:
    heard(world, "mian", at=None)
    assert named(world, "main").cluster == "main"


def test_a_pool_stays_in_a_cluster_that_was_heard_until_its_leases_are_over(world: World, booked: wire.Lease) -> None:
    heard(world, "mian", at=T0 + 0.5)
    with pytest.raises(WrongState, match="may be in cluster mian, which a scheduler has heard") as told:
        named(world, "main")
    assert told.value.numbers == {"leases": 1}
    world.turn(T0 + 100)
    world.turn(T0 + 101)
    assert named(world, "main", now=T0 + 102).cluster == "main"


def test_a_pool_stays_in_a_cluster_that_has_pods_though_no_scheduler_is_told_of_it_any_more(
    world: World, booked: wire.Lease
) -> None:
    heard(world, "mian", at=T0 + 0.5)
    with world.db.begin() as session:
        pod = {"company": "acme", "name": "train", "lease": booked.id, "gpus": 8, "phase": "Running"}
        session.add(Pod(uid="a", cluster="mian", seen_at=T0, **pod))
        clusters.told_of(session, [])
    with pytest.raises(WrongState, match="may be in cluster mian"):
        named(world, None)


def nodes_of(world: World, cluster: str) -> tuple[tuple[object, ...], dict[str, list[str]]]:
    """What is read again when it changes, and the nodes of the cluster's pools."""
    with world.db.snapshot() as session:
        found = enforced.desired(session, cluster, least_grace_s=5)
        return enforced.version(session), {pool: sorted(nodes) for pool, nodes in found.nodes.items()}


def test_the_nodes_of_a_clusters_pools_are_those_whose_agents_show_their_gpus(world: World) -> None:
    named(world, "main")
    before, found = nodes_of(world, "main")
    assert found == {"h100": ["n1", "n2"]}
    assert nodes_of(world, "edge")[1] == {}
    world.report("n2", now=T0 + 1, gpus=0)
    after, found = nodes_of(world, "main")
    assert found == {"h100": ["n1"]}
    assert after != before, "it is read again"
    world.report("n2", now=T0 + 2)
    again, found = nodes_of(world, "main")
    assert found == {"h100": ["n1", "n2"]}
    assert again != after


def test_a_node_none_of_whose_gpus_is_sound_is_its_pools_all_the_same(world: World) -> None:
    named(world, "main")
    world.report("n2", now=T0 + 1, health="unhealthy")
    assert nodes_of(world, "main")[1] == {"h100": ["n1", "n2"]}
