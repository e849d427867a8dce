"""What is to be done about one company in one cluster: a pure function of what should be, what is, and the time.

Companies do not depend on each other here: which nodes a lease has was decided by the calendar.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scheduler.kube import ending, pairing
from scheduler.kube.actions import Action, Tell
from scheduler.kube.desired import CompanyNow, Terms
from scheduler.kube.furnishing import furnished, is_ours
from scheduler.kube.observed import Node, Pod, Seen
from scheduler.kube.opening import opened
from scheduler.kube.pairing import Seat, Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What to do now, why pods wait (by uid), what is wrong with the company here, and when time alone brings more."""

    actions: tuple[Action, ...] = ()
    waits: Mapping[str, Wait]
    trouble: str | None = None
    next_at: float | None = None


def reconcile(
    company: CompanyNow,
    seen: Seen,
    nodes: Mapping[str, Node],
    resources: tuple[str, ...],
    terms: Terms,
    now: float,
) -> Steps:
    """All of one company. Nothing is done in a namespace that is not ours."""
    if seen.namespace is not None and not is_ours(seen.namespace, company.name):
        name = seen.namespace["metadata"]["name"]
        said = f"namespace {name} is there and was not made by Dure: it is left alone; rename or delete it, and it is made anew"
        return Steps(waits={}, trouble=said)
    held = {lease.id: lease for lease in company.leases if lease.holds}
    context = ending.Context(leases=held, nodes=nodes, terms=terms, now=now)
    paired = pairing.pair(seen.pods, company.leases, nodes, terms, now, seen.begun)
    # Ends come first: they have an instant of their own.
    actions = [*ending.ends(seen, context), *_gates(seen, paired, terms, now)]
    actions += furnished(company, seen, resources, terms, now, _left_over(seen, paired))
    return Steps(
        actions=tuple(actions),
        waits={uid: one for uid, one in paired.items() if isinstance(one, Wait)},
        next_at=min((at for at in _instants(company, seen, context) if at > now), default=None),
    )


def _left_over(seen: Seen, paired: pairing.Paired) -> Mapping[str, int]:
    """GPUs by resource that pods ask for whose label names no lease any more."""
    found: Counter[str] = Counter()
    for pod in seen.pods:
        match paired.get(pod.uid):
            case Wait(code=pairing.Code.UNKNOWN_LEASE):
                found.update(dict(pod.gpus))
            case _:
                pass
    return found


def _gates(seen: Seen, paired: pairing.Paired, terms: Terms, now: float) -> Iterator[Action]:
    for pod in seen.pods:
        match paired.get(pod.uid):
            case Seat() as seat:
                yield opened(pod, seat, terms, now)
            case Wait(code=code, detail=detail):
                yield Tell(path=pod.path, uid=pod.uid, reason=_camel(code), message=detail[0].upper() + detail[1:])
            case None:
                pass


def _camel(code: str) -> str:
    """An event's reason: `not_started` is `NotStarted`."""
    return "".join(word.capitalize() for word in code.split("_"))


def _instants(company: CompanyNow, seen: Seen, context: ending.Context) -> Iterator[float]:
    if company.closed_at is not None:
        yield company.closed_at + context.terms.removal_grace_s
    for lease in company.leases:
        if lease.holds:
            yield lease.ending_at
            yield lease.stops_at
    for pod in seen.pods:
        yield from _of_pod(pod, context)


def _of_pod(pod: Pod, context: ending.Context) -> Iterator[float]:
    lease = context.leases.get(pod.placed or "")
    if pod.is_gated:
        # From then on one lease does not stand in the way of another.
        yield from (pairing.latest(pod, one, context.terms) for one in context.leases.values())
    if lease is not None and not pod.is_gated:
        yield from ending.instants(pod, lease, context.terms)
    elif pod.deleted_at is not None:
        yield pod.deleted_at + ending.SOON_S
