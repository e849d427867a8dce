"""Whether a cluster is fit to enforce anything, looked at now and then."""

import time

from scheduler.kube import fitness
from scheduler.kube.condition import Condition
from scheduler.kube.connection import Away, Connection, Refused
from scheduler.kube.fitness import Fitness

FIT_S = 60.0
"""How often it is looked."""

UNFIT_S = 2.0
"""How often, while it is not."""


class Inspection:
    """Of one thread. What it finds is in the cluster's condition."""

    def __init__(self, connection: Connection, condition: Condition) -> None:
        self._connection, self._condition = connection, condition
        self._looked_at = float("-inf")
        self.is_fit = False

    def look(self) -> None:
        """Looks, if it is time to."""
        if time.monotonic() - self._looked_at < (FIT_S if self.is_fit else UNFIT_S):
            return
        self._looked_at = time.monotonic()
        found = self._found()
        self.is_fit = found.unfit is None
        if found.unfit is None:
            self._condition.well("fitness")
            self._condition.alarm("policies", found.alarms)
        else:
            self._condition.wrong("fitness", found.unfit)

    def _found(self) -> Fitness:
        try:
            self._condition.version = fitness.version(self._connection)
            self._condition.heard()
            return fitness.look(self._connection, self._condition.version)
        except (Away, Refused) as error:
            return Fitness(unfit=f"whether the cluster is fit cannot be seen: {error}")
