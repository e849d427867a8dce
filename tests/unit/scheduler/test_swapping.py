"""Allocations follow the pods: which of them change GPUs inside a node, and that no fewer would do."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.swapping import Held, Real, Swaps, swaps

POOLS: dict[str, str | None] = dict.fromkeys("abcd", "h100")


def held(text: str) -> list[Held]:
    """As in `x:a y:b z:c!`: lease and GPU of each allocation, `!` where it is over."""
    return [
        Held(allocation=f"{lease}{number}", lease=lease, gpu=gpu.rstrip("!"), ended=gpu.endswith("!"))
        for number, (lease, _, gpu) in enumerate(part.partition(":") for part in text.split())
    ]


def real(text: str) -> list[Real]:
    return [Real(gpu, lease) for lease, _, gpu in (part.partition(":") for part in text.split())]


def after(before: Sequence[Held], moves: Mapping[str, str]) -> str:
    return " ".join(f"{one.lease}:{moves.get(one.allocation, one.gpu)}{'!' * one.ended}" for one in before)


@pytest.mark.parametrize(
    ("before", "pods", "want", "unexplained"),
    [
        pytest.param("x:a y:b", "", "x:a y:b", "", id="no pod runs yet"),
        pytest.param("x:a y:b", "x:a y:b", "x:a y:b", "", id="all is as it was thought"),
        pytest.param("x:a", "x:c", "x:c", "", id="its pod got a GPU that nobody holds"),
        pytest.param("x:a y:b", "x:b y:a", "x:b y:a", "", id="two got each other's"),
        pytest.param("x:a y:b", "x:b", "x:b y:a", "", id="another makes way, to where it was left"),
        pytest.param("x:a y:b z:c", "x:b y:c z:a", "x:b y:c z:a", "", id="three in a ring"),
        pytest.param("x:a x:b y:c", "x:c", "x:c x:b y:a", "", id="one of two GPUs of a lease"),
        pytest.param("x:a x:b y:c y:d", "x:c y:a", "x:c x:b y:a y:d", "", id="who makes way goes where it must be"),
        pytest.param("x:a y:b!", "x:b", "x:a y:b!", "x:b", id="a GPU that waits for its proof is nobody else's"),
        pytest.param("x:a!", "x:a", "x:a!", "", id="a pod that is ending with its lease"),
        pytest.param("x:a! x:b", "x:a x:c", "x:a! x:c", "", id="a lease that gave one of its GPUs back"),
        pytest.param("x:a", "x:b x:c", "x:b", "x:c", id="more than the lease holds"),
        pytest.param("x:a", "x:a x:b", "x:a", "x:b", id="more than the lease holds, one of them its own"),
        pytest.param("x:a", "y:b", "x:a", "y:b", id="a lease that holds nothing here"),
        pytest.param("x:a y:b", "x:b y:b", "x:a y:b", "x:b", id="two on one GPU: who holds it keeps it"),
        pytest.param("x:a y:b", "x:c y:c", "x:c y:b", "y:c", id="two on one GPU that neither holds"),
        pytest.param("x:a", "x:elsewhere", "x:a", "", id="a GPU that is not of the node"),
    ],
)
def test_each_lease_gets_what_its_pods_have(before: str, pods: str, want: str, unexplained: str) -> None:
    found = swaps(POOLS, held(before), real(pods))
    assert after(held(before), found.moves) == want
    assert found.unexplained == tuple(sorted(real(unexplained)))


def test_no_gpu_of_another_pool_is_taken_or_given() -> None:
    pools = {"a": "h100", "b": "h100", "m": "a100", "u": None}
    found = swaps(pools, held("x:a y:m"), real("x:m y:b x:u"))
    assert found.moves == {}
    assert sorted(found.unexplained) == sorted(real("x:m y:b x:u"))


def test_who_makes_way_goes_to_no_sick_gpu_while_there_is_another() -> None:
    assert swaps(POOLS, held("x:a y:b"), real("x:b"), sick={"a"}).moves == {"x0": "b", "y1": "c"}
    two: dict[str, str | None] = dict.fromkeys("ab", "h100")
    assert swaps(two, held("x:a y:b"), real("x:b"), sick={"a"}).moves == {"x0": "b", "y1": "a"}


GPUS = ("a", "b", "c", "d", "e")


@st.composite
def nodes(draw: st.DrawFn) -> tuple[dict[str, str], list[Held], list[Real]]:
    """A node of two pools at most, what leases hold of it, and who really has what."""
    pools = {gpu: draw(st.sampled_from(["h100", "h100", "a100"])) for gpu in GPUS}
    taken = draw(st.lists(st.sampled_from(GPUS), unique=True))
    made = [
        Held(allocation=f"alo{number}", lease=draw(st.sampled_from("xyz")), gpu=gpu, ended=draw(st.integers(0, 4)) == 0)
        for number, gpu in enumerate(taken)
    ]
    pods = st.builds(Real, st.sampled_from((*GPUS, "elsewhere")), st.sampled_from("xyzw"))
    return pools, made, draw(st.lists(pods, max_size=6))


def done(before: Sequence[Held], moves: Mapping[str, str]) -> list[Held]:
    return [
        Held(allocation=one.allocation, lease=one.lease, gpu=moves.get(one.allocation, one.gpu), ended=one.ended)
        for one in before
    ]


@given(nodes())
def test_every_allocation_keeps_one_gpu_of_its_pool_and_no_gpu_has_two(
    node: tuple[dict[str, str], list[Held], list[Real]],
) -> None:
    pools, before, pods = node
    found = swaps(pools, before, pods)
    then = done(before, found.moves)
    assert max(Counter(one.gpu for one in then).values(), default=1) == 1
    assert all(pools[one.gpu] == pools[was.gpu] for one, was in zip(then, before, strict=True))
    assert all(one == was for one, was in zip(then, before, strict=True) if was.ended)
    assert all(one.gpu != found.moves.get(one.allocation) for one in before), "a move goes somewhere"


@given(nodes())
def test_done_once_there_is_nothing_more_to_do(node: tuple[dict[str, str], list[Held], list[Real]]) -> None:
    pools, before, pods = node
    found = swaps(pools, before, pods)
    again = swaps(pools, done(before, found.moves), pods)
    assert again == Swaps(unexplained=found.unexplained)
    assert swaps(pools, before[::-1], pods[::-1]) == found, "in whatever order they come"


@given(nodes())
def test_what_is_explained_is_held_and_what_is_not_could_not_be(
    node: tuple[dict[str, str], list[Held], list[Real]],
) -> None:
    pools, before, pods = node
    found = swaps(pools, before, pods)
    then = {one.gpu: one.lease for one in done(before, found.moves)}
    for one in {one for one in pods if one.gpu in pools}:
        assert (then.get(one.gpu) == one.lease) == (one not in found.unexplained)
    over = {one.gpu for one in before if one.ended}
    for one in found.unexplained:
        mine = [
            each for each in before if each.lease == one.lease and not each.ended and pools[each.gpu] == pools[one.gpu]
        ]
        claims = {each.gpu for each in pods if each.lease == one.lease and pools.get(each.gpu) == pools[one.gpu]}
        is_shared = any(each.gpu == one.gpu and each.lease != one.lease for each in pods)
        assert one.gpu in over or len(claims - over) > len(mine) or is_shared


def _fewest(pools: Mapping[str, str], before: Sequence[Held], pods: Sequence[Real]) -> int | None:
    """How many moves it takes at least so that all is explained, found by trying every arrangement; None where none does."""
    live = [one for one in before if not one.ended]
    free = [gpu for gpu in pools if gpu not in {one.gpu for one in before if one.ended}]
    best = None
    for chosen in permutations(free, len(live)):
        pairs = list(zip(live, chosen, strict=True))
        then = {gpu: one.lease for one, gpu in pairs} | {one.gpu: one.lease for one in before if one.ended}
        if all(pools[gpu] == pools[one.gpu] for one, gpu in pairs) and all(
            then.get(one.gpu) == one.lease for one in pods if one.gpu in pools
        ):
            moved = sum(gpu != one.gpu for one, gpu in pairs)
            best = moved if best is None else min(best, moved)
    return best


@given(nodes())
def test_where_all_can_be_explained_it_is_with_the_fewest_moves(
    node: tuple[dict[str, str], list[Held], list[Real]],
) -> None:
    pools, before, pods = node
    found = swaps(pools, before, pods)
    fewest = _fewest(pools, before, pods)
    assert (fewest is None) == bool(found.unexplained)
    assert fewest is None or len(found.moves) == fewest
