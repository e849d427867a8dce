"""What became of promises as the API's leases have it, beside what Prometheus has of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dure import wire
from dure.client import Client
from tests.monitoring.prometheus import Prometheus


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """Of leases that are all over. A promise that slipped is broken, and the later one that was given for it is another."""

    due: int
    broken: int
    late: frozenset[str]
    """Leases with a broken one."""


def had(admin: Client, leases: Iterable[wire.Lease]) -> Promises:
    """By what their companies can read."""
    promised = [lease for lease in leases if lease.first_promised_start is not None]
    slips = {lease.id: _slips(list(admin.lease_events(lease.id))) for lease in promised}
    missed = {lease.id for lease in promised if lease.promised_start is not None and not _in_time(lease)}
    last = sum(lease.promised_start is not None for lease in promised)
    slipped = sum(slips.values())
    late = missed | {lease for lease, count in slips.items() if count}
    return Promises(due=slipped + last, broken=slipped + len(missed), late=frozenset(late))


def _in_time(lease: wire.Lease) -> bool:
    assert lease.promised_start is not None
    return lease.started_at is not None and lease.started_at <= lease.promised_start


def _slips(events: Sequence[wire.LeaseEvent]) -> int:
    """How often a promise got later, or was lost."""
    return sum(one.event == "slipped" or (one.event == "queued" and one.seq > events[0].seq) for one in events)


@dataclass(frozen=True, slots=True, kw_only=True)
class Starts:
    """How many starts were counted by processes that count each for itself."""

    counted: int
    unseen: tuple[tuple[float, float], ...]
    """From when to when, in Unix seconds: what those that were killed had counted since they were last asked, nobody knows."""

    def fits(self, leases: Iterable[wire.Lease]) -> bool:
        """Whether these started, each counted once, and only those perhaps not of which nobody can know."""
        at = [lease.started_at.timestamp() for lease in leases if lease.started_at is not None]
        # Instants are whole seconds, rounded down.
        unknown = sum(any(since - 1 <= one <= until for since, until in self.unseen) for one in at)
        return len(at) - unknown <= self.counted <= len(at)


def starts(prometheus: Prometheus, pool: str, killed: Mapping[str, float], *, since: float, until: float) -> Starts:
    """`killed` is when a process was, by its address."""
    series = f'dure_lease_start_lateness_seconds_count{{pool="{pool}"}}[{int(until - since) + 1}s]'
    counted, asked = 0, dict.fromkeys(killed, since)
    for one in prometheus.query(series, at=until):
        address = one["metric"]["instance"]
        end = killed.get(address, 0.0)
        values = [(float(at), int(value)) for at, value in one["values"]]
        before, after = [pair for pair in values if pair[0] <= end], [pair for pair in values if pair[0] > end]
        counted += sum(life[-1][1] for life in (before, after) if life)
        if before:
            asked[address] = before[-1][0]
    return Starts(counted=counted, unseen=tuple((last, killed[address]) for address, last in asked.items()))
