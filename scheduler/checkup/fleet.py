"""Findings about agents, pools, GPUs, leases, clusters, webhooks and tokens. Pure: facts and `now` in."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from dure import wire
from scheduler.checkup.facts import Agent, Cluster, Fleet, Pool, Token, Webhook
from scheduler.checkup.sentences import count, counted, fine, names, span, unseen, worth_knowing, wrong

NEVER_AFTER_S = 3600.0
"""An agent that has not reported for the first time by then is forgotten, or cannot."""

OFFSET_S = 5
"""A node's clock decides nothing; so far apart, its logs cannot be read beside ours."""

RENEWED_S = 3 * 86_400.0
"""A credential lives for a week and is renewed at half of it: one that ends sooner is not being renewed."""

TOKEN_ENDS_S = 7 * 86_400.0
CLUSTER_HEARD_S = 120.0


def findings(found: Fleet, *, version: str, receiving: bool, now: float) -> list[wire.Finding]:
    """`receiving` says whether API replicas say that they take reports."""
    return [
        *agents(found.agents, version=version, receiving=receiving, now=now),
        *identities(found.agents, now=now),
        *pools(found.pools),
        *gpus(found),
        *leases(found),
        *clusters(found.clusters, now=now),
        *webhooks(found, now=now),
        tokens(found.tokens, now=now),
    ]


def agents(found: Sequence[Agent], *, version: str, receiving: bool, now: float) -> list[wire.Finding]:
    """Silent ones, those that never reported, old ones, blind ones, and nodes whose clocks are far off."""
    if not found:
        return [unseen("agents", "there are no nodes yet: dure node join-token NODE", essential=False)]
    made = list(_amiss(found, version, now))
    if not receiving:
        made.insert(0, wrong("agents", "no API replica says that it takes reports: see the API's log"))
    reporting = sum(one.state == "ok" for one in found)
    return made or [fine("agents", f"{reporting} of {count(len(found), 'node')} report, with agents of {version}")]


def _amiss(found: Sequence[Agent], version: str, now: float) -> Iterator[wire.Finding]:
    if silent := [f"{one.node} ({_ago(one.heard_at, now)})" for one in found if one.state == "unknown"]:
        yield wrong("agents", f"silent: {names(silent)}; nothing starts there: see the agent's log on the node")
    if never := [one.node for one in found if one.heard_at is None and now - one.enrolled_at > NEVER_AFTER_S]:
        yield worth_knowing("agents", f"never heard of: {names(never)}: start the agent there, or see its log")
    if blind := [one.node for one in found if one.state == "ok" and one.blind]:
        said = f"do not see who is on GPUs whose lease is over, so they prove none empty: {names(blind)}"
        yield wrong("agents", f"{said}: give the agent hostPID, or see its log on the node")
    if apart := [f"{one.node} ({one.offset_s:+d} s)" for one in found if abs(one.offset_s or 0) > OFFSET_S]:
        yield worth_knowing("agents", f"clocks that are off: {names(apart)}: let NTP set them")
    other = Counter(one.version for one in found if one.state == "ok" and one.version not in (None, version))
    if other:
        said = names([f"{number} with {one}" for one, number in sorted(other.items(), key=str)])
        yield worth_knowing("agents", f"not of this API's version {version}: {said}: roll the agents out")


def identities(found: Sequence[Agent], *, now: float) -> list[wire.Finding]:
    """Whether agents will be let in tomorrow too."""
    own = [one for one in found if not one.vouched]
    out = [one for one in own if not one.has_token or (one.ends_at is not None and one.ends_at <= now)]
    ended, joining = [one.node for one in out if one.joins_by is None], [one for one in out if one.joins_by is not None]
    ending = [one for one in own if one.ends_at is not None and now < one.ends_at < now + RENEWED_S]
    made: list[wire.Finding] = []
    if ended:
        made.append(wrong("credentials", f"nothing lets in the agents of {names(ended)}: dure node join-token NODE"))
    if ending:
        said = names([f"{one.node} (in {span((one.ends_at or now) - now)})" for one in ending])
        made.append(
            wrong(
                "credentials",
                f"of agents that end and are not renewed: {said}: see the agent's log, or dure node join-token NODE",
            )
        )
    if joining:
        said = names([f"{one.node} (within {span((one.joins_by or now) - now)})" for one in joining])
        made.append(worth_knowing("credentials", f"join tokens that nobody used yet: {said}: start the agent there"))
    if made or not found:
        return made
    return [
        fine("credentials", f"{len(own)} of agents' own, {len(found) - len(own)} by their cluster, and none ends soon")
    ]


def pools(found: Sequence[Pool]) -> list[wire.Finding]:
    """Pools that nobody enforces, that have nothing, and quotas that no pool could fill."""
    if not found:
        return [unseen("pools", "there are none yet: dure pool add NAME --product PRODUCT", essential=False)]
    made = [
        wrong(
            "pools",
            f"pool {one.name} names cluster {one.cluster}, which no scheduler is told of, so nobody enforces its leases: "
            f"dure pool enforce {one.name} --cluster NAME (dure clusters lists them), or name it in DURE_SCHEDULER_CLUSTERS",
        )
        for one in found
        if not one.served
    ]
    if alone := [one.name for one in found if one.cluster is None]:
        said = f"enforced by nobody, as they name no cluster: {names(alone)}"
        made.append(
            worth_knowing("pools", f"{said}: dure pool enforce POOL --cluster NAME, where one is to enforce them")
        )
    if empty := [one.name for one in found if not one.gpus]:
        said = f"without a GPU: {names(empty)}: no agent shows one of the pool's product"
        made.append(worth_knowing("pools", f"{said}; dure node show NODE says what it has"))
    above = [
        f"{company} in {one.name} ({gpus} of {one.gpus})"
        for one in found
        if one.gpus
        for company, gpus in one.above.items()
    ]
    if above:
        made.append(worth_knowing("quotas", f"more than the pool has: {names(above)}: dure quota set, or add nodes"))
    total = sum(one.gpus for one in found)
    return made or [fine("pools", f"{count(len(found), 'pool')} with {count(total, 'GPU')}")]


def gpus(found: Fleet) -> list[wire.Finding]:
    """Those that could not be proved empty, those that are sick, and who is on one without a lease."""
    made: list[wire.Finding] = []
    if found.quarantined:
        said = counted(_by_node(found.quarantined))
        made.append(
            wrong(
                "GPUs",
                f"not proved empty by the end of the gap: {said}: dure node show NODE says why; end what runs there",
            )
        )
    if found.unhealthy:
        said = counted(_by_node(found.unhealthy))
        made.append(wrong("GPUs", f"unhealthy: {said}: dure node show NODE says how, and docs/health.md what to do"))
    if found.suspect:
        said = counted(_by_node(found.suspect))
        made.append(
            worth_knowing(
                "GPUs",
                f"suspect, so no new lease gets them: {said}: dure node show NODE says why, docs/health.md how long",
            )
        )
    if found.violations:
        number = sum(found.violations.values())
        said = f"{count(number, 'violation')} now, in {names([pool or 'no pool' for pool in found.violations])}"
        made.append(wrong("violations", f"{said}: dure violations names who is on which GPU without a lease"))
    return made or [fine("GPUs", "all are well, none waits to be proved empty, and nobody is on one without a lease")]


def _by_node(found: Mapping[tuple[str, str], int]) -> Iterator[tuple[str, int]]:
    """The worst first."""
    by_node = Counter[str]()
    for (_, node), number in found.items():
        by_node[node] += number
    yield from sorted(by_node.items(), key=lambda one: (-one[1], one[0]))


def leases(found: Fleet) -> list[wire.Finding]:
    made: list[wire.Finding] = []
    if found.overdue:
        made.append(wrong("leases", f"past their end and not over: {names(found.overdue)}: see the scheduler's log"))
    if found.degraded:
        said = f"without some of their GPUs: {names(found.degraded)}: dure lease show LEASE says since when"
        made.append(worth_knowing("leases", f"{said}; that is refunded"))
    return made or [fine("leases", "none is past its end, and none is without a GPU of its own")]


def clusters(found: Sequence[Cluster], *, now: float) -> Iterator[wire.Finding]:
    """As the scheduler found them, which is not what your own kubectl sees."""
    for one in found:
        if one.trouble is not None:
            yield wrong("clusters", f"{one.name}: {one.trouble} (dure clusters)")
        elif one.heard_at is None or now - one.heard_at > CLUSTER_HEARD_S:
            yield wrong(
                "clusters", f"{one.name} last answered the scheduler {_ago(one.heard_at, now)}: see the scheduler's log"
            )
        else:
            yield fine("clusters", f"{one.name} answered the scheduler {span(now - one.heard_at)} ago")


def webhooks(found: Fleet, *, now: float) -> list[wire.Finding]:
    disabled = [_webhook(one) for one in found.webhooks if one.disabled_at is not None]
    failing = [one for one in found.webhooks if one.disabled_at is None]
    made: list[wire.Finding] = []
    if disabled:
        made.append(
            worth_knowing("webhooks", f"disabled: {names(disabled)}: dure webhook show ID, then dure webhook enable ID")
        )
    if failing:
        said = names([f"{_webhook(one)} for {span(now - (one.failing_since or now))}" for one in failing])
        made.append(worth_knowing("webhooks", f"not taken: {said}: dure webhook deliveries ID says what it answers"))
    if found.unsent:
        since = span(now - (found.unsent_since or now))
        said = f"{count(found.unsent, 'event')} not sent though due for up to {since}"
        made.append(wrong("webhooks", f"{said}: see the leading scheduler's log"))
    return made or [fine("webhooks", "all take what they are told, and nothing waits")]


def tokens(found: Sequence[Token], *, now: float) -> wire.Finding:
    ending = [
        f"{one.id} ({one.role}, in {span(one.ends_at - now)})" for one in found if one.ends_at < now + TOKEN_ENDS_S
    ]
    if ending:
        said = f"end within a week: {names(ending)}: dure token issue makes another, before these are needed"
        return worth_knowing("tokens", said)
    return fine("tokens", "none ends within a week")


def _webhook(one: Webhook) -> str:
    return f"{one.id} of {one.company}"


def _ago(at: float | None, now: float) -> str:
    return "never" if at is None else f"{span(now - at)} ago"
