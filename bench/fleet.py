"""A fleet of nodes with 8 GPUs each, enrolled and reported through the store, and the companies that ask for them.

Written directly, because making it is not what is measured; what is written is what the routes would write.
"""

import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dure import wire
from scheduler.actor import Actor
from scheduler.clock import DatabaseClock
from scheduler.store import joining, nodes, pools, quotas, reports, tokens
from scheduler.store.db import Database, Session

ADMIN = Actor(role=wire.Role.ADMIN, token="bench")
POOL = "h100-80gb"
PRODUCT = "NVIDIA H100 80GB HBM3"
GPUS_PER_NODE = 8
COMPANIES = 20
INTERVAL_S = 10.0
"""How often a node reports; an agent's default."""
FORGIVEN_S = 3600.0
"""What nodes that nobody will report for again say of themselves, so that they are not silent before we are done."""
GIB = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    name: str
    token: str
    gpus: Sequence[str]

    def reading(self, index: int) -> dict[str, object]:
        """A GPU with nothing on it, as its agent would say it."""
        return {
            "uuid": self.gpus[index],
            "index": index,
            "product": PRODUCT,
            "health": "ok",
            "memory_total_bytes": 80 * GIB,
            "memory_used_bytes": 0,
            "utilization_percent": 0,
            "power_milliwatts": 72_000,
            "energy_millijoules": 9_000_000_000,
            "temperature_celsius": 31,
            "processes": 0,
        }

    def report(self, *, seq: int, interval_s: float = INTERVAL_S, **more: object) -> bytes:
        """A report's JSON; `more` are further fields of it."""
        return json.dumps(
            {
                "boot": f"boot_{self.name}",
                "seq": seq,
                "sent_at": time.time(),
                "interval_s": interval_s,
                "agent_version": "0.1.0",
                "driver_version": "570.86.15",
                "gpus": [self.reading(index) for index in range(len(self.gpus))],
                **more,
            }
        ).encode()


def used(allocation: str, *, sampled_ms: int, busy_ms: int, energy_millijoules: int | None = None) -> dict[str, object]:
    """What a report says of an allocation today: a fleet's days are UTC's."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found = wire.AllocationUsage(
        allocation=allocation,
        day_began_at=today,
        sampled_ms=sampled_ms,
        busy_ms=busy_ms,
        energy_millijoules=energy_millijoules,
    )
    return found.model_dump(mode="json", exclude_none=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """`companies` are the tokens of those who may hold all of it."""

    nodes: Sequence[Node]
    companies: dict[str, str]

    @property
    def gpus(self) -> int:
        return sum(len(node.gpus) for node in self.nodes)


def make(db: Database, *, gpus: int, interval_s: float = FORGIVEN_S, companies: int = COMPANIES) -> Fleet:
    """A pool of exactly `gpus` GPUs; the last node has what is left over."""
    now = DatabaseClock(db).now()
    with db.begin() as session:
        sizes = [min(GPUS_PER_NODE, gpus - first) for first in range(0, gpus, GPUS_PER_NODE)]
        made = [_node(session, number, size, interval_s, now) for number, size in enumerate(sizes)]
        # After the nodes: so what they can give is counted once, and not at each first report.
        pools.add(session, wire.PoolCreate(name=POOL, product=PRODUCT), actor=ADMIN, now=now)
        asking = {name: _company(session, name, now) for name in (f"company-{k}" for k in range(companies))}
    return Fleet(nodes=made, companies=asking)


def _node(session: Session, number: int, gpus: int, interval_s: float, now: float) -> Node:
    name = f"node-{number:04}"
    issued = nodes.enroll(session, wire.NodeEnroll(name=name), actor=ADMIN, now=now)
    uuids = [f"GPU-{uuid.uuid5(uuid.NAMESPACE_DNS, f'{name}/{index}')}" for index in range(gpus)]
    node = Node(name=name, token=issued.secret, gpus=uuids)
    first = wire.Report.model_validate_json(node.report(seq=1, interval_s=interval_s))
    reports.take(session, name, first, now=now)
    return node


def _company(session: Session, name: str, now: float) -> str:
    joining.add(session, wire.CompanyCreate(name=name), actor=ADMIN, now=now)
    quotas.put(session, name, POOL, wire.QuotaSet(gpus=wire.MAX_GPUS), actor=ADMIN, now=now)
    body = wire.TokenIssue(role=wire.Role.COMPANY, company=name)
    return tokens.issue(session, body, actor=ADMIN, now=now).secret
