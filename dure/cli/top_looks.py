"""How dure top looks: one call for each kind of thing, on a thread of its own, so that the screen answers while the API does not."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from dure.errors import DureError
from dure.fleet_now import Top
from dure.render.top import Seen
from dure.wire import LeaseState

if TYPE_CHECKING:
    from dure import wire
    from dure.client import Client

NODES_EVERY = timedelta(seconds=10)
"""What nodes say of each GPU is much, and changes with their reports alone."""

MOST_QUEUED = 200


class Source:
    """What the API says now. Nodes are asked about now and then, and not again by whom they are not to be seen."""

    def __init__(self, client: "Client", now: Callable[[], datetime]) -> None:
        self._client, self._now = client, now
        self._nodes: list[wire.Node] | None = None
        self._nodes_at: datetime | None = None

    def look(self) -> Top:
        """Raises DureError."""
        client = self._client
        pools = list(client.pools())
        queued = client.leases(states=[LeaseState.QUEUED], page_size=MOST_QUEUED)
        return Top(
            pools=pools,
            calendars=[client.calendar(pool.name) for pool in pools],
            queued=sorted(islice(queued, MOST_QUEUED), key=lambda one: (one.asked_at, one.id)),
            nodes=self._seen_nodes(),
            at=self._now().replace(microsecond=0),
        )

    def _seen_nodes(self) -> "list[wire.Node] | None":
        if self._nodes_at is not None and self._now() - self._nodes_at < NODES_EVERY:
            return self._nodes
        try:
            self._nodes = list(self._client.nodes())
        except DureError as error:
            if error.status != 403:
                raise
        self._nodes_at = self._now()
        return self._nodes


class Looking:
    """Looks every `interval_s`, and calls `told` after each look. What passes by itself is told and tried again."""

    def __init__(
        self, look: Callable[[], Top], now: Callable[[], datetime], *, interval_s: float, told: Callable[[], None]
    ) -> None:
        self._look, self._now, self._interval_s, self._told = look, now, interval_s, told
        self._again, self._stop = threading.Event(), False
        self.seen = Seen()
        self.failed: DureError | None = None
        """What does not pass by itself, and ended the looking."""
        threading.Thread(target=self._run, name="looking", daemon=True).start()

    def again(self) -> None:
        """At once."""
        self._again.set()

    def stop(self) -> None:
        """Whatever is being asked is not waited for."""
        self._stop = True
        self._again.set()

    def _run(self) -> None:
        while not self._stop and self.failed is None:
            self._again.clear()
            try:
                self.seen = Seen(top=self._look(), heard=self._now())
            except DureError as error:
                self._missed(error)
            self._told()
            self._again.wait(self._interval_s)

    def _missed(self, error: DureError) -> None:
        if 400 <= error.status < 500 and error.status != 429:
            self.failed = error
        else:
            self.seen = replace(self.seen, away=str(error))
