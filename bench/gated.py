"""Leases that are asked for over HTTP, each with a pod that waits for it at the gate."""

import math
import random
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import Any

import psycopg

from bench.fleet import POOL
from bench.ground import GRACE_S, PATIENCE_S, Ground, TooLong
from bench.load import Connection, threads
from dure import kube, wire
from tests.cluster import kwok

SEED = 5
CLIENTS = 4
STUBBORN = 10
"""Every so many-th pod takes all of its grace, so that it is ended twice."""
SECONDS_A_LEASE = 0.06
"""For asking and making its pod, before the first starts."""
READY_S = 30
AGAIN = (403, 409)


def first(ground: Ground, leases: int) -> int:
    return math.ceil(ground.clock.now()) + READY_S + math.ceil(leases * SECONDS_A_LEASE)


def ask(start: int, length: int, gpus: int = 1) -> wire.Ask:
    at = datetime.fromtimestamp(start, UTC)
    return wire.Ask(pool=POOL, shape=wire.Shape(gpus=gpus), duration_s=length, start=at)


def asks(leases: int, first: int, *, length: tuple[int, int]) -> list[wire.Ask]:
    chance = random.Random(SEED)
    return [
        ask(start, chance.randint(*length)) for start in sorted(first + chance.randrange(60) for _ in range(leases))
    ]


def asked(
    ground: Ground, asks: Sequence[wire.Ask], *, stubborn: bool, with_pods: bool = True
) -> dict[str, tuple[int, int]]:
    """Asks for all, and makes a pod for each, which waits; start and end by lease."""
    tokens = list(ground.fleet.companies.items())
    found: dict[str, tuple[int, int]] = {}

    def some(part: int) -> None:
        made: list[tuple[str, dict[str, Any]]] = []
        with ExitStack() as left:
            mine = [
                (company, left.enter_context(closing(Connection(ground.server, token))))
                for company, token in tokens[part::CLIENTS]
            ]
            for k, ask in enumerate(asks[part::CLIENTS]):
                company, connection = mine[k % len(mine)]
                answer = connection.post("/v1/leases", ask.model_dump_json(exclude_none=True).encode(), status=201)
                lease = wire.Lease.model_validate_json(answer)
                assert lease.starts_at is not None
                assert lease.ends_at is not None
                found[lease.id] = (int(lease.starts_at.timestamp()), int(lease.ends_at.timestamp()))
                body = pod(lease.id.replace("_", "-"), lease.id, stubborn=stubborn and k % STUBBORN == 0)
                made.append((kube.namespace(company), body))
        if with_pods:
            make(ground, made)

    with threads(CLIENTS) as (pool, _):
        for share in [pool.submit(some, part) for part in range(min(CLIENTS, len(asks)))]:
            share.result()
    return found


def company(ground: Ground, lease: str) -> str:
    with psycopg.connect(ground.stack.database_url) as connection:
        row = connection.execute("SELECT company FROM lease WHERE id = %s", [lease]).fetchone()
    assert row is not None
    return str(row[0])


def pod(name: str, lease: str, *, stubborn: bool) -> dict[str, Any]:
    container = {"name": "main", "image": "none", "resources": {"limits": {kube.DEFAULT_RESOURCE: "1"}}}
    annotations = {kwok.STUBBORN: "true"} if stubborn else {}
    metadata = {"name": name, "labels": {kube.LEASE_LABEL: lease}, "annotations": annotations}
    return {"metadata": metadata, "spec": {"terminationGracePeriodSeconds": GRACE_S, "containers": [container]}}


def make(ground: Ground, bodies: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """As the administrator. The quota counts what was just promised a moment later, and may change under the API server's
    own counting: refused, and in conflict, is tried again as a controller does.
    """
    with ground.cluster.http() as client:
        for namespace, body in bodies:
            until = time.monotonic() + PATIENCE_S
            while (answer := client.post(f"/api/v1/namespaces/{namespace}/pods", json=body)).status_code in AGAIN:
                if time.monotonic() > until:
                    raise TooLong(answer.text)
                time.sleep(0.1)
            answer.raise_for_status()
