"""What the API's answers come to, as dure top shows it."""

from datetime import timedelta

from dure import fleet_now, wire
from tests.unit.dure.answers import NOW, a_booking, a_calendar, a_gpu, a_node, a_pool
from tests.unit.dure.tops import a_drain, a_top


def test_a_pools_gpus_are_counted_by_where_they_are_and_those_of_drained_nodes_beside_that() -> None:
    [found] = fleet_now.pools(a_top(), NOW)
    assert (found.gpus, found.free, found.held, found.sick, found.draining, found.queued) == (16, 7, 8, 1, 3, 2)
    assert [one.draining for one in fleet_now.pools(a_top(), NOW + timedelta(hours=2))] == [0]


def test_what_is_on_a_node_out_of_service_is_not_free() -> None:
    [found] = fleet_now.pools(a_top(pools=[a_pool(free_draining=3)]), NOW)
    assert (found.free, found.draining) == (4, 3)
    assert {one.name: one.free for one in fleet_now.nodes(a_top(), NOW)} == {"gpu-01": 0, "gpu-02": 0}
    later = fleet_now.nodes(a_top(), NOW + timedelta(hours=2))
    assert {one.name: one.free for one in later} == {"gpu-01": 0, "gpu-02": 3}


def test_who_does_not_see_nodes_is_not_told_that_none_drains() -> None:
    assert [one.draining for one in fleet_now.pools(a_top(nodes=None), NOW)] == [None]
    assert [one.busy_percent for one in fleet_now.companies(a_top(nodes=None))] == [None]


def test_edges_come_in_the_order_of_time_starts_and_ends_together() -> None:
    assert [(one.starts, one.lease) for one in fleet_now.edges(a_top())] == [(True, "lea_2"), (False, "lea_1")]


def test_a_company_is_as_busy_as_the_gpus_that_say_so() -> None:
    [found] = fleet_now.companies(a_top())
    assert (found.name, found.leases, found.busy_percent) == ("acme", 1, 85)


def test_a_gpu_that_says_nothing_is_not_idle() -> None:
    silent = [a_gpu(0, state="leased", lease="lea_1", utilization_percent=None)]
    [found] = fleet_now.companies(a_top(nodes=[a_node("gpu-01", gpus=silent)]))
    assert found.busy_percent is None
    [node] = fleet_now.nodes(a_top(nodes=[a_node("gpu-01", gpus=silent)]), NOW)
    assert node.busy_percent is None


def test_nodes_that_need_somebody_come_first() -> None:
    sick = [a_gpu(n, state="unhealthy") for n in range(2)]
    found = a_top(
        nodes=[
            a_node("a"),
            a_node("b", gpus=sick),
            a_node("c", state=wire.NodeState.UNKNOWN),
            a_node("d", drains=[a_drain()]),
        ]
    )
    assert [one.name for one in fleet_now.nodes(found, NOW)] == ["c", "d", "b", "a"]


def test_bookings_of_others_that_one_may_not_see_are_in_no_company() -> None:
    hidden = a_calendar(bookings=[a_booking("active", -600, 3600, lease=None, company=None)])
    found = a_top(calendars=[hidden])
    assert fleet_now.companies(found) == []
    assert [one.company for one in fleet_now.edges(found)] == [None]
