"""What may happen to a pool, one step after the other, for hypothesis to choose from."""

from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import strategies as st

from scheduler.core.model import Ask, Gang, NodeId, Policy, Purpose, Total
from scheduler.core.rules import RULES
from scheduler.core.shapes import size_of
from tests.builders import a_policy, an_ask

HORIZON_S = 50

WITHIN_S = 6


@dataclass(frozen=True, kw_only=True)
class One:
    """An ask whose window is said from the instant at which it is asked."""

    shape: Gang | Total
    company: str
    duration_s: int
    start_in: int | None
    width: int | None
    notice_s: int
    queue: bool
    purpose: Purpose
    least: int | None

    def at(self, now: int) -> Ask:
        start = None if self.start_in is None else now + self.start_in
        start_by = None if self.width is None else (now if start is None else start) + self.width
        return an_ask(
            self.shape,
            company=self.company,
            duration_s=self.duration_s,
            start=start,
            start_by=start_by,
            queue=self.queue,
            notice_s=self.notice_s,
            purpose=self.purpose,
            min_size=None if self.least is None else min(self.least, size_of(self.shape)),
        )


@dataclass(frozen=True, kw_only=True)
class Asks:
    """Asks that come together."""

    asks: list[One]

    def at(self, now: int) -> Iterator[Ask]:
        return (one.at(now) for one in self.asks)


@dataclass(frozen=True, kw_only=True)
class Passes:
    seconds: int


@dataclass(frozen=True, kw_only=True)
class Stops:
    """Releases or cancels one of the leases there are."""

    which: int


@dataclass(frozen=True, kw_only=True)
class Extends:
    """One of the leases there are asks for more time."""

    which: int
    seconds: int
    partly: bool


@dataclass(frozen=True, kw_only=True)
class Resizes:
    """One of the leases there are gets another size, as far as there is room."""

    which: int
    size: int


@dataclass(frozen=True, kw_only=True)
class Loses:
    """A node has so many GPUs from now on: fewer, or some or all of them back."""

    node: NodeId
    capacity: int
    open: bool


@dataclass(frozen=True, kw_only=True)
class Drains:
    node: NodeId
    start_in: int
    seconds: int


Step = Asks | Passes | Stops | Extends | Resizes | Loses | Drains

shapes = st.one_of(
    st.builds(Gang, nodes=st.integers(1, 3), gpus_per_node=st.integers(1, 3)),
    st.builds(Total, gpus=st.integers(1, 6)),
)
ones = st.builds(
    One,
    shape=shapes,
    company=st.sampled_from(["acme", "bolt"]),
    duration_s=st.integers(1, 8) | st.integers(8, 25),
    start_in=st.none() | st.none() | st.integers(0, 30),
    width=st.none() | st.none() | st.integers(0, 15),
    notice_s=st.sampled_from([0, 0, 3, 10]),
    queue=st.booleans(),
    purpose=st.sampled_from(Purpose),
    least=st.none() | st.integers(1, 3),
)
asks = st.builds(Asks, asks=st.lists(ones, min_size=1, max_size=3))
passes = st.builds(Passes, seconds=st.integers(1, 8))
stops = st.builds(Stops, which=st.integers(0, 9))
extensions = st.builds(Extends, which=st.integers(0, 9), seconds=st.integers(1, 20), partly=st.booleans())
resizes = st.builds(Resizes, which=st.integers(0, 9), size=st.integers(1, 8))
losses = st.sampled_from(
    [
        Loses(node=NodeId(node), capacity=capacity, open=open_)
        for node, most in (("n1", 4), ("n2", 3), ("n3", 3))
        for capacity, open_ in ((most, True), (most, True), (most, False), (most - 1, True), (0, True), (0, False))
    ]
)
drains = st.builds(
    Drains,
    node=st.sampled_from([NodeId("n1"), NodeId("n2"), NodeId("n3")]),
    start_in=st.integers(0, 20),
    seconds=st.integers(1, 20),
)


def _days(*happens: st.SearchStrategy[Step]) -> st.SearchStrategy[list[Step]]:
    """A pool that fills, and then what happens in it."""
    filling: st.SearchStrategy[list[Step]] = st.lists(asks, min_size=2, max_size=6)
    return st.builds(lambda first, then: [*first, *then], filling, st.lists(st.one_of(*happens), max_size=18))


good_days = _days(asks, asks, asks, passes, passes, stops, extensions, resizes, resizes)
bad_days = _days(asks, asks, asks, passes, passes, stops, extensions, resizes, losses, drains)


def _policy(
    rule: str,
    slack_ppm: int,
    reserve_ppm: int,
    walk_in_ppm: int,
    seniority_s: int | None,
    gap_s: int,
    loss_grace_s: int,
    contended: tuple[str, int],
) -> Policy:
    return a_policy(
        horizon_s=HORIZON_S,
        gap_s=gap_s,
        rule=rule,
        slack_ppm=slack_ppm,
        reserve_ppm=reserve_ppm,
        reserve_over_s=10,
        walk_in_ppm=walk_in_ppm,
        walk_in_within_s=WITHIN_S,
        seniority_s=seniority_s,
        loss_grace_s=loss_grace_s,
        contended=contended[0],
        contended_ppm=contended[1],
        half_life_s=20,
        entry_s=5,
    )


policies = st.builds(
    _policy,
    rule=st.sampled_from(sorted(RULES)),
    slack_ppm=st.sampled_from([0, 50_000, 500_000, 2_000_000]),
    reserve_ppm=st.sampled_from([0, 0, 300_000]),
    walk_in_ppm=st.sampled_from([0, 0, 400_000, 800_000, 1_000_000]),
    seniority_s=st.sampled_from([None, None, 0, 5, 15]),
    gap_s=st.sampled_from([0, 2]),
    loss_grace_s=st.sampled_from([0, 5]),
    contended=st.sampled_from([("none", 0), ("none", 0), ("booked", 0), ("booked", 600_000), ("always", 0)]),
)
