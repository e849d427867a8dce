"""Keys to clusters, for who was admitted: the rows are read first, and the cluster is asked once the transaction is over."""

from collections.abc import Callable

import structlog
from starlette.responses import Response

from api import answers
from api.calls import Admitted, Call
from dure import kube, wire
from scheduler.kube.keys import SHORTEST_S
from scheduler.store.keyed import Keyed
from scheduler.store.times import to_wire

log = structlog.get_logger()

LONGEST_S = 30 * 86_400
"""The longest life of a key, for what cannot ask for a new one."""


def access(call: Call, look: Callable[[Admitted], Keyed]) -> Response:
    """How the cluster is reached, without a key."""
    found = call.look(look)
    server = call.parts.keys.server(found.cluster)
    return answers.ok(
        wire.KubeAccess(
            cluster=found.cluster,
            server=server.url,
            certificate_authority=server.authority,
            namespace=kube.namespace(found.company),
            company=found.company,
            lease=found.lease,
        )
    ).response()


def token(call: Call, look: Callable[[Admitted], Keyed], lasts_s: int | None) -> Response:
    """A new key, which lives for `lasts_s` but never past its lease."""

    def seen(at: Admitted) -> tuple[Keyed, float, str]:
        return look(at), at.now, str(at.actor)

    found, now, actor = call.look(seen)
    most = LONGEST_S if found.until is None else max(SHORTEST_S, int(found.until - now))
    made = call.parts.keys.make(found.cluster, found.company, found.account, min(lasts_s or SHORTEST_S, most))
    log.info("key made", action="key_made", actor=actor, cluster=found.cluster, account=found.account)
    until = made.expires_at if found.until is None else min(made.expires_at, found.until)
    return answers.ok(wire.KubeToken(token=made.token, expires_at=to_wire(until))).response()
