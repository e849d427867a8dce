"""What a process remembers of nodes is bounded, and only ever of the agent process that said it."""

from scheduler.newest import Known, Newest
from tests.unit.scheduler.test_folding import gpu


def known(seq: int = 1, *, boot: str = "b", gpus: int = 2) -> Known:
    return Known(boot=boot, seq=seq, gpus=tuple(gpu(place) for place in range(gpus)), notable=(), written_at=0)


def test_a_report_builds_on_the_newest_of_the_same_agent_process() -> None:
    newest = Newest()
    newest.remember("n1", known(4))
    assert newest.base("n1", "b") == (4, known(4).gpus)
    assert newest.base("n1", "b2") is None
    assert newest.base("n2", "b") is None


def test_the_nodes_that_were_not_heard_for_the_longest_are_forgotten_first() -> None:
    newest = Newest(most_gpus=6)
    for node in ("n1", "n2", "n3"):
        newest.remember(node, known())
    newest.remember("n1", known(2))
    newest.remember("n4", known())
    assert [newest.get(node) is not None for node in ("n1", "n2", "n3", "n4")] == [True, False, True, True]


def test_a_node_that_is_larger_than_all_that_may_be_kept_is_kept_alone() -> None:
    newest = Newest(most_gpus=6)
    newest.remember("n1", known())
    newest.remember("n2", known(gpus=9))
    assert (newest.get("n1"), newest.get("n2") is not None) == (None, True)
