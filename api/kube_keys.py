"""Keys to clusters, for who was admitted: the rows are read first, the cluster is asked once that transaction is over, and
another writes down who was given the key.
"""

from collections.abc import Callable

from starlette.responses import Response

from api import answers
from api.calls import Admitted, Call
from dure import kube, wire
from scheduler.kube.keys import LONGEST_S, SHORTEST_S
from scheduler.store import keyed
from scheduler.store.keyed import Keyed
from scheduler.store.times import to_wire


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
    """A new key, which lives for `lasts_s` but never past its lease, nor longer than this server is told."""

    def seen(at: Admitted) -> tuple[Keyed, float]:
        return look(at), at.now

    found, now = call.look(seen)
    most = LONGEST_S if found.until is None else max(SHORTEST_S, int(found.until - now))
    made = call.parts.keys.make(found.cluster, found.company, found.account, min(lasts_s or SHORTEST_S, most))
    until = made.expires_at if found.until is None else min(made.expires_at, found.until)
    is_static = lasts_s is not None and lasts_s > SHORTEST_S

    def given(at: Admitted) -> answers.Answer:
        keyed.made(at.session, found, actor=at.actor, expires_at=until, is_static=is_static, now=at.now)
        return answers.ok(wire.KubeToken(token=made.token, expires_at=to_wire(until)))

    # Nobody is given a key of which no line tells.
    return call.write(given)
