"""What clusters should hold, as the rows say it."""

from dure import wire
from scheduler.store import closing, enforced, pools
from tests.integration.scheduler.conftest import ADMIN, T0, World


def test_a_company_is_known_where_no_pool_names_the_cluster_any_more_so_that_its_key_goes_with_it(world: World) -> None:
    with world.db.begin() as session:
        pools.change(session, "h100", wire.PoolChange(cluster="main"), actor=ADMIN, now=T0)
        pools.change(session, "h100", wire.PoolChange(cluster=None), actor=ADMIN, now=T0)
        closing.close(session, "acme", actor=ADMIN, now=T0 + 1)
    with world.db.snapshot() as session:
        found = enforced.desired(session, "main", least_grace_s=5)
    assert {name: one.closed_at for name, one in found.companies.items()} == {"acme": T0 + 1, "globex": None}
    assert found.resources == ()
