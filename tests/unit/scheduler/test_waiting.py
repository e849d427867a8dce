from dataclasses import replace

from scheduler.core.compiled import screen
from scheduler.core.model import Gang, Instant, Lease, LeaseId, NodeId, Total
from scheduler.core.waiting import Waiting
from tests.builders import a_lease

NODES = {NodeId("n1"): 0, NodeId("n2"): 1}


def lease(id: str, asked_at: int = 0) -> Lease:
    return replace(a_lease(id), asked_at=Instant(asked_at))


def waiting(*leases: Lease) -> Waiting:
    found = Waiting()
    for one in leases:
        put(found, one)
    return found


def put(table: Waiting, one: Lease) -> None:
    table.put(one, gap_s=10, limit=3, reserve=-1, ahead=-1, nodes=NODES)


def test_rows_are_in_order_of_arrival_and_of_ids():
    found = waiting(lease("b", 5), lease("c", 1), lease("a", 5))
    assert found.keys == [(1, "c"), (5, "a"), (5, "b")]
    assert found.table[:, screen.ASKED].tolist() == [1, 5, 5]


def test_a_row_says_what_the_look_at_it_needs():
    [row] = waiting(replace(lease("a", 7), start=Instant(50), start_by=Instant(300), notice_s=30)).table.tolist()
    assert row == [100, 50, 30, 110, 100, 0, 4, 4, 3, -1, -1, 7, 0]


def test_a_gang_says_its_nodes_and_the_gpus_on_each():
    gang = replace(a_lease(n1=2, n2=2), shape=Gang(nodes=2, gpus_per_node=2))
    [row] = waiting(gang).table.tolist()
    assert [row[column] for column in (screen.NODES, screen.LEVEL, screen.GPUS, screen.OWN)] == [2, 2, 4, -1]


def test_putting_again_replaces_the_row():
    found = waiting(lease("a"), lease("b"))
    put(found, replace(lease("a"), starts_at=Instant(70)))
    assert found.table[:, screen.SLOT].tolist() == [70, 100]


def test_the_wider_come_first_then_the_longest_wait_for_its_length_then_who_asked_first():
    found = waiting(
        replace(lease("a", 0), shape=Total(gpus=1), duration_s=1000),
        replace(lease("b", 0), shape=Total(gpus=1), duration_s=10),
        replace(lease("c", 5), shape=Total(gpus=2), duration_s=1000),
        replace(lease("d", 5), shape=Total(gpus=8), duration_s=1000),
        replace(lease("e", 5), shape=Total(gpus=2), duration_s=1000),
    )
    assert [found.keys[place][1] for place in found.turn(100, 8)] == ["d", "c", "e", "b", "a"]


def test_dropping_takes_one_row_out_and_an_unknown_one_changes_nothing():
    found = waiting(*(lease(name) for name in "abc"))
    found.drop(lease("b"))
    found.drop(lease("b"))
    found.drop(lease("a", 9))
    assert found.keys == [(0, "a"), (0, "c")]
    assert len(found.table) == 2


def test_there_is_room_for_as_many_as_come():
    names = [LeaseId(f"lea_{number:03}") for number in range(100)]
    found = waiting(*(replace(lease(name), starts_at=Instant(int(name[4:]))) for name in reversed(names)))
    assert [name for _, name in found.keys] == names
    assert found.table[:, screen.SLOT].tolist() == list(range(100))


def test_a_copy_is_changed_alone():
    found = waiting(lease("a"), lease("b"))
    other = found.copy()
    other.drop(lease("a"))
    put(other, replace(lease("b"), starts_at=Instant(1)))
    assert found.keys == [(0, "a"), (0, "b")]
    assert found.table[:, screen.SLOT].tolist() == [100, 100]
