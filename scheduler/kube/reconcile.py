"""What is to be done about one company in one cluster: a pure function of what should be, what is, and the time.

Companies do not depend on each other here: which nodes a lease has was decided by the calendar.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from dure import kube
from scheduler.kube import ending, furnishing, manifests, nearing, pairing
from scheduler.kube.actions import Action, End, Open, Tell
from scheduler.kube.desired import CompanyNow, Terms
from scheduler.kube.furnishing import is_ours
from scheduler.kube.observed import Node, Pod, Seen
from scheduler.kube.opening import opened
from scheduler.kube.pairing import Seat, Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What to do now and what within a moment, why pods wait (by uid), what is wrong with the company here, and when time alone
    brings more.
    """

    actions: tuple[Action, ...] = ()
    ahead: tuple[End, ...] = ()
    """Each at its own instant, unless it is decided otherwise until then."""
    waits: Mapping[str, Wait]
    trouble: str | None = None
    next_at: float | None = None
    ends: tuple[float, ...] = ()
    """When the pods past the gate are to be gone, those that no lease explains by when they were seen."""

    def past_s(self, now: float) -> tuple[float, ...]:
        """For how long pods are there that should be gone: their kubelet does not end them."""
        return tuple(now - at for at in self.ends if now - at > ending.SOON_S)


def reconcile(
    company: CompanyNow,
    seen: Seen,
    nodes: Mapping[str, Node],
    resources: tuple[str, ...],
    terms: Terms,
    now: float,
) -> Steps:
    """All of one company. In a namespace that is not ours nothing is done but that what was let in is ended."""
    held = {lease.id: lease for lease in company.leases if lease.holds}
    context = ending.Context(leases=held, nodes=nodes, terms=terms, now=now, offenders=company.offenders)
    if not is_ours(seen, company.name):
        return _of_a_strange_namespace(company, seen, context)
    paired = pairing.pair(seen.pods, company.leases, nodes, terms, now, seen.begun)
    # Ends come first: they have an instant of their own.
    actions = [*ending.ends(seen, context), *_gates(seen, paired, terms, now)]
    actions += furnishing.furnished(company, seen, resources, terms, now, _left_over(seen, paired))
    return Steps(
        actions=tuple(actions),
        ahead=(*ending.ahead(seen, context), *furnishing.ahead(company, seen, now)),
        waits={uid: one for uid, one in paired.items() if isinstance(one, Wait)},
        next_at=_next(_instants(company, seen, context), now),
        ends=tuple(ending.latest(seen, context)),
    )


def unfit(steps: Steps, trouble: str | None) -> Steps:
    """What is decided in a cluster in which nothing is begun: who would be let in is told why it waits."""
    detail = (
        f"the cluster is not fit to enforce leases, and lets nothing in until it is: {trouble or 'it is looked at'}"
    )
    wait = Wait(code=pairing.Code.CLUSTER_UNFIT, detail=detail)
    return replace(steps, waits={**steps.waits, **{one.uid: wait for one in steps.actions if isinstance(one, Open)}})


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


def _of_a_strange_namespace(company: CompanyNow, seen: Seen, context: ending.Context) -> Steps:
    """Whoever took its labels away, nothing runs beyond its lease. Pods that were not let in by us are not looked at."""
    said = (
        f"namespace {kube.namespace(company.name)} does not carry Dure's labels: somebody else made it, or took them off. Nothing "
        "is done in it but that pods are ended with their leases. Delete it, and it is made anew; or, if it was Dure's, label "
        f"it {kube.COMPANY_LABEL}={company.name} and {kube.MANAGED_BY}={kube.MANAGER} again"
    )
    placed = replace(seen, pods=tuple(pod for pod in seen.pods if pod.placed and not pod.is_gated))
    return Steps(
        actions=tuple(ending.ends(placed, context)),
        ahead=tuple(ending.ahead(placed, context)),
        waits={
            pod.uid: Wait(code=pairing.Code.NAMESPACE, detail=said)
            for pod in seen.pods
            if pod.is_gated and pod.gpus and not pod.is_over
        },
        ends=tuple(ending.latest(placed, context)),
        trouble=said,
        next_at=_next(_of_pods(placed, context), context.now),
    )


def _next(instants: Iterable[float], now: float) -> float | None:
    return min((at for at in instants if at > now), default=None)


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
            yield lease.ending_at + nearing.SEEN_S
            yield from nearing.looks(lease.stops_at, lease)
            if manifests.lease_key(company.name, lease.id) not in seen.objects:
                yield lease.stops_at  # One that is still to be made is not wanted any more then.
    yield from _of_pods(seen, context)


def _of_pods(seen: Seen, context: ending.Context) -> Iterator[float]:
    for pod in seen.pods:
        yield from _of_pod(pod, context)


def _of_pod(pod: Pod, context: ending.Context) -> Iterator[float]:
    lease = context.leases.get(pod.placed or "")
    if pod.is_gated:
        # From then on one lease does not stand in the way of another.
        yield from (pairing.latest(pod, one, context.terms) for one in context.leases.values())
    if lease is not None and not pod.is_gated:
        yield from ending.instants(pod, lease, context.terms)
    else:
        yield from ending.frees(pod)
