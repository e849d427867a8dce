"""A small pool that lives through random histories: asks, starts, ends, releases, cancels, nodes that come and go."""

from dataclasses import dataclass, field

from hypothesis import strategies as st

from scheduler.core.book import Book
from scheduler.core.decide import decide
from scheduler.core.lease import advance
from scheduler.core.model import (
    Ask,
    Cause,
    CompanyId,
    Gang,
    Instant,
    Lease,
    LeaseId,
    Node,
    NodeId,
    Policy,
    State,
    Total,
    Verdict,
)
from tests.builders import a_node, a_policy, an_ask
from tests.property.lives import Passes, Stops, passes, stops

QUOTA = 6
QUOTAS = {CompanyId("acme"): QUOTA, CompanyId("bolt"): QUOTA}
HORIZON_S = 40
BEGIN = Instant(100)

companies = st.sampled_from(["acme", "bolt"])
shapes = st.one_of(
    st.builds(Gang, nodes=st.integers(1, 3), gpus_per_node=st.integers(1, 3)),
    st.builds(Total, gpus=st.integers(1, 6)),
)


@dataclass(frozen=True, kw_only=True)
class Asks:
    """An ask whose window is said from the instant at which it is asked."""

    shape: Gang | Total
    company: str
    duration_s: int
    start_in: int | None
    width: int | None
    queue: bool

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
        )


@dataclass(frozen=True, kw_only=True)
class Changes:
    node: Node


Step = Asks | Passes | Stops | Changes

asks = st.builds(
    Asks,
    shape=shapes,
    company=companies,
    duration_s=st.integers(1, 8) | st.integers(8, 25),
    start_in=st.none() | st.none() | st.integers(-2, 30),
    width=st.none() | st.integers(-1, 15),
    queue=st.booleans(),
)
changes = st.builds(
    Changes,
    node=st.builds(
        lambda name, gpus, open_: a_node(name, gpus, open=open_, nominal=4),
        st.sampled_from(["n1", "n2", "n3", "n4"]),
        st.integers(0, 4),
        st.sampled_from([True, True, False]),
    ),
)
steps = st.one_of(asks, asks, asks, asks, asks, passes, stops, changes)
histories = st.lists(steps, min_size=4, max_size=40)


@dataclass(kw_only=True)
class World:
    """The book that is kept up to date, and beside it the plain nodes and leases it must agree with."""

    policy: Policy = field(default_factory=lambda: a_policy(horizon_s=HORIZON_S, gap_s=2))
    now: Instant = BEGIN
    nodes: dict[NodeId, Node] = field(default_factory=dict[NodeId, Node])
    leases: dict[LeaseId, Lease] = field(default_factory=dict[LeaseId, Lease])
    verdicts: list[Verdict] = field(default_factory=list[Verdict])
    book: Book = field(init=False)

    def __post_init__(self) -> None:
        self.nodes = {node.id: node for node in (a_node("n1", 4), a_node("n2", 3), a_node("n3", 1))}
        self.book = Book.of(self.policy, self.nodes.values(), [], QUOTAS)

    def live(self, step: Step) -> Verdict | None:
        match step:
            case Asks():
                return self.decide(step.at(self.now))
            case Passes():
                self._pass(step.seconds)
            case Stops():
                self._stop(step.which)
            case Changes():
                self.nodes[step.node.id] = step.node
                self.book = self.book.changed([step.node])
        return None

    def decide(self, ask: Ask) -> Verdict:
        lease_id = LeaseId(f"lea_{len(self.verdicts):03}")
        decided = decide(self.book, [(lease_id, ask)], self.now)
        [verdict] = decided.verdicts
        self.verdicts.append(verdict)
        self._keep(decided.book)
        return verdict

    def _keep(self, book: Book) -> None:
        self.book = book
        self.leases |= book.leases

    def fresh_book(self) -> Book:
        """The same book, made anew from everything that ever was."""
        return Book.of(self.policy, self.nodes.values(), self.leases.values(), QUOTAS).since(self.now)

    def _put(self, lease: Lease) -> None:
        self.leases[lease.id] = lease
        self.book = self.book.put_lease(lease)

    def _pass(self, seconds: int) -> None:
        self.now = Instant(self.now + seconds)
        for lease in self._due(State.SCHEDULED, "starts_at"):
            self._put(advance(lease, State.ACTIVE, Cause.STARTED, self.now))
        for lease in self._due(State.ACTIVE, "stops_at"):
            self._put(advance(lease, State.ENDING, Cause.EXPIRED, self.now))
        for lease in self._due(State.ENDING, "stops_at"):
            self._put(advance(lease, State.ENDED, Cause.EXPIRED, self.now))
        self.book = self.book.since(self.now)

    def _due(self, state: State, edge: str) -> list[Lease]:
        return [lease for lease in self.leases.values() if lease.state is state and getattr(lease, edge) <= self.now]

    def _stop(self, which: int) -> None:
        running = [lease for lease in self.leases.values() if lease.state in (State.SCHEDULED, State.ACTIVE)]
        if not running:
            return
        lease = running[which % len(running)]
        to, cause = (State.CANCELLED, Cause.CANCELLED)
        if lease.state is State.ACTIVE:
            to, cause = (State.ENDING, Cause.RELEASED)
        self._put(advance(lease, to, cause, self.now))
