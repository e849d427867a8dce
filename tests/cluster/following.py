"""What happens to all objects of a kind, as a watch of the administrator tells it."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx

from tests.cluster.cluster import Cluster

WATCH_S = 1
"""How long each watch is; the next begins where it ended."""


class Lost(Exception):
    """The API server does not know any more what happened meanwhile."""


@contextmanager
def followed(cluster: Cluster, path: str, take: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """`take` is called with each event from now on, in a thread of its own, until the `with` is left.

    What it raises is raised then; and Lost, where something may have been missed.
    """
    version = cluster.get(path)["metadata"]["resourceVersion"]
    over, failed = threading.Event(), list[Exception]()
    thread = threading.Thread(target=_follow, args=(cluster, path, version, take, over, failed), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(10 * WATCH_S)
    if failed:
        raise failed[0]


def _follow(
    cluster: Cluster,
    path: str,
    version: str,
    take: Callable[[dict[str, Any]], None],
    over: threading.Event,
    failed: list[Exception],
) -> None:
    with cluster.http() as client:
        while not over.is_set() and not failed:
            query = {"watch": "true", "timeoutSeconds": str(WATCH_S), "resourceVersion": version}
            with suppress(httpx.HTTPError), client.stream("GET", path, params=query) as stream:
                for line in stream.iter_lines():
                    event = json.loads(line)
                    try:
                        if event["type"] == "ERROR":
                            raise Lost(str(event["object"]))
                        take(event)
                    except Exception as error:  # noqa: BLE001 - it is for who follows
                        failed.append(error)
                        return
                    version = event["object"]["metadata"]["resourceVersion"]
