"""Watches: one thread for each kind lists, then follows, then lists again. A watch that ends, hangs or lies is corrected by
the next list, which comes every few minutes whatever happens.
"""

import random
import threading

import structlog

from dure import kube
from scheduler.kube.condition import Condition
from scheduler.kube.connection import Away, Connection, Json, Refused
from scheduler.kube.world import Kind, World

log = structlog.get_logger()

SILENCE_S = 100.0
"""A watch that says nothing for so long is dead: the API server sends a bookmark every minute."""

PAGE = 500
BACK_OFF_S = (0.2, 10.0)
"""The first wait after a failure, and the longest."""


class Watch:
    """Keeps one kind of a world up to date. A list is followed for about `relist_s` seconds before the next."""

    def __init__(
        self, connection: Connection, kind: Kind, world: World, condition: Condition, *, relist_s: int
    ) -> None:
        self._relist_s = relist_s
        self._connection, self._kind, self._world, self._condition = connection, kind, world, condition
        self._stop = threading.Event()
        self.listed = threading.Event()
        """Set once all that there is is known."""
        self._thread = threading.Thread(target=self._run, name=f"watch-{kind.name.lower()}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends it soon; its thread may hang in a read until the API server's next word, and does no harm."""
        self._stop.set()

    def _run(self) -> None:
        wait_s = BACK_OFF_S[0]
        while not self._stop.is_set():
            try:
                self._follow(self._list())
                wait_s = BACK_OFF_S[0]
            except Refused as error:
                if error.status != 410:  # too old a version: the next list has a newer one
                    self._condition.wrong(self._what, f"{self._what} cannot be read: {error}")
                self._stop.wait(wait_s * random.uniform(0.5, 1))
                wait_s = min(BACK_OFF_S[1], 2 * wait_s)
            except Away as error:
                self._condition.wrong(self._what, str(error))
                self._stop.wait(max(error.retry_after_s or 0, wait_s * random.uniform(0.5, 1)))
                wait_s = min(BACK_OFF_S[1], 2 * wait_s)
            except Exception as error:
                log.exception("a watch failed and begins again", action="watch_failed", kind=self._kind.name)
                why = f"{self._what} cannot be understood ({type(error).__name__}): see the scheduler's log"
                self._condition.wrong(self._what, why)
                self._stop.wait(BACK_OFF_S[1])

    @property
    def _what(self) -> str:
        return self._kind.value.rpartition("/")[2]

    @property
    def _selector(self) -> dict[str, str]:
        return {"labelSelector": f"{kube.MANAGED_BY}={kube.MANAGER}"} if self._kind.is_ours else {}

    def _list(self) -> str:
        """All of it, in pages; the version that it is of."""
        items: list[Json] = []
        following: dict[str, str] = {}
        while True:
            page = self._connection.get(self._kind.value, limit=PAGE, **self._selector, **following)
            items += (_whole(item, page) for item in page.get("items") or ())
            token = page["metadata"].get("continue")
            if not token:
                break
            following = {"continue": token}
        version = str(page["metadata"]["resourceVersion"])
        self._world.replace(self._kind, items, version)
        self._condition.well(self._what)
        self._condition.heard()
        self.listed.set()
        return version

    def _follow(self, version: str) -> None:
        query = {"resourceVersion": version, "allowWatchBookmarks": "true"}
        events = self._connection.watch(
            self._kind.value,
            silence_s=SILENCE_S,
            timeoutSeconds=int(self._relist_s * random.uniform(0.8, 1.2)),
            **query,
            **self._selector,
        )
        for event in events:
            if self._stop.is_set():
                return
            self._condition.heard()
            self._world.event(self._kind, event)


def _whole(item: Json, page: Json) -> Json:
    """As a watch would say it: in a list only the list says what its items are."""
    return {"apiVersion": page["apiVersion"], "kind": str(page["kind"]).removesuffix("List"), **item}
