"""Which clusters the leading scheduler is told of, and which pools name another."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlmodel import select
from structlog.testing import capture_logs

from dure import wire
from scheduler.kube import roll
from scheduler.kube.roll import Roll
from scheduler.store import clusters, pools
from scheduler.store.clusters import Heard
from scheduler.store.leader import Deposed, Lead
from scheduler.store.tables import Cluster
from tests.integration.scheduler.conftest import ADMIN, T0, World


@pytest.fixture
def lead(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lead]:
    """Ours; it is looked at every turn."""
    monkeypatch.setattr(roll, "AGAIN_S", 0.0)
    found = Lead(world.db.url)
    assert found.try_take()
    yield found
    found.close()


def a_roll(world: World, lead: Lead, *names: str) -> Roll:
    return Roll(world.db, names, lambda: lead.epoch)


def named(world: World, cluster: str | None) -> None:
    with world.db.begin() as session:
        pools.change(session, "h100", wire.PoolChange(cluster=cluster), actor=ADMIN, now=T0)


def told_of(world: World) -> dict[str, str | None]:
    """What is wrong with each."""
    with world.db.snapshot() as session:
        return {row.name: row.trouble for row in session.exec(select(Cluster))}


def looked(found: Roll) -> list[dict[str, Any]]:
    with capture_logs() as logs:
        found.look()
    return [{name: one[name] for name in ("action", "pool", "cluster")} for one in logs]


def test_only_what_the_leader_is_told_of_is_known(world: World, lead: Lead) -> None:
    with world.db.begin() as session:
        for name in ("old", "main"):
            clusters.heard(session, Heard(cluster=name, version="v1.37.2", heard_at=T0, trouble="away"))
    a_roll(world, lead, "main", "edge").look()
    assert told_of(world) == {"main": "away", "edge": None}
    a_roll(world, lead).look()
    assert told_of(world) == {}


def test_how_a_cluster_is_does_not_forget_what_it_was(world: World, lead: Lead) -> None:
    for version, heard_at, trouble in (("v1.37.2", T0 + 0.5, None), (None, None, "away")):
        with world.db.begin() as session:
            clusters.heard(session, Heard(cluster="main", version=version, heard_at=heard_at, trouble=trouble))
    with world.db.snapshot() as session:
        found = session.get_one(Cluster, "main")
        assert (found.version, found.heard_at, found.trouble) == ("v1.37.2", T0 + 0.5, "away")


def test_a_pool_that_nobody_enforces_is_logged_once_and_once_more_when_somebody_does(world: World, lead: Lead) -> None:
    found = a_roll(world, lead, "main")
    assert looked(found) == []
    named(world, "mian")
    about = {"pool": "h100", "cluster": "mian"}
    assert looked(found) == [{"action": "pool_unserved", **about}]
    assert looked(found) == []
    named(world, "main")
    assert looked(found) == [{"action": "pool_served", **about}]


def test_who_does_not_lead_says_nothing_of_it(world: World, lead: Lead) -> None:
    Roll(world.db, ["main"], lambda: None).look()
    assert told_of(world) == {}
    with pytest.raises(Deposed):
        Roll(world.db, ["main"], lambda: (lead.epoch or 0) - 1).look()
    assert told_of(world) == {}
