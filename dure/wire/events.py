"""Events: what a company is told of its leases, the same in lists, in streams and by webhook."""

from dure.wire.values import CompanyName, Instant, LeaseState, PoolName, Wire


class EventData(Wire):
    """The lease as this event left it. All but `cause` and `detail` is null where the event is not a lease's."""

    state: LeaseState | None
    cause: str | None
    promised_start: Instant | None
    starts_at: Instant | None
    stops_at: Instant | None
    detail: dict[str, int | str | None]
    """More that this type of event says."""


class Event(Wire):
    """One thing that happened. `id` is the same wherever and however often it is told."""

    id: str
    type: str
    """`lease.` and what happened to it, or `webhook.` and what happened to that. New types may come."""
    at: Instant
    company: CompanyName
    pool: PoolName | None
    lease: str | None
    data: EventData
