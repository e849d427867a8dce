"""Watches over what companies may hold: their quotas, the budgets of their periods, and what the walk-in reserve keeps."""

from scheduler.core import quota
from scheduler.core.model import PPM
from scheduler.core.steps import Steps
from tests.integration.scheduler.day.seen import Seen

POOL_GPUS = 16

NEAR_S = 60
"""What starts within that is not booked ahead."""

SLIPS = frozenset(
    {"capacity_lost", "drain", "node_unknown", "gpu_not_empty", "gpu_unhealthy", "lease_before_not_ended"}
)
"""Why a promise may be later than it was."""

BEYOND = SLIPS | {"budget_changed"}
"""Why a promise may take more of a period than its budget."""


class Quotas:
    """Nobody is above its quota at any instant, but for what was promised before it was lowered."""

    def __init__(self) -> None:
        self.held: dict[str, Steps] = {}

    def check(self, seen: Seen) -> None:
        for row in seen.quotas:
            held = quota.held(lease for lease in seen.leases.values() if lease.company == row.company).since(seen.now)
            before = self.held.get(row.company, Steps.flat(0))
            for at in (seen.now, *(at for at in held.times if at > seen.now)):
                assert held.at(at) <= max(row.gpus, before.at(at)), (row, at)
            self.held[row.company] = held


class Budgets:
    """What is committed and spent of a period is no more than its budget, but for promises that had to be kept.

    That what is committed is what leases have of the period is seen where the ledger is added up again.
    """

    def __init__(self) -> None:
        self.taken: dict[int, int] = {}

    def check(self, seen: Seen) -> None:
        kept = self._kept(seen)
        for id_, account in seen.accounts.items():
            if account.target is None or account.void:
                continue
            taken = account.committed + account.spent
            assert taken <= max(account.target, self.taken.get(id_, 0)) or id_ in kept, account
            assert account.granted >= account.target, account
            assert account.granted == account.target or not account.available, account
            self.taken[id_] = taken

    def _kept(self, seen: Seen) -> set[int]:
        """The accounts that were granted more for a promise just now; each because it slipped or its budget was changed."""
        found: set[int] = set()
        by_number = {(one.account, one.seq): one for one in seen.entries}
        for one in seen.entries:
            if one.cause == "promise_kept":
                wanted = by_number[one.account, one.seq + 1]
                assert (wanted.kind, wanted.cause in BEYOND) == ("commit", True), wanted
                found.add(one.account)
        return found


class WalkIns:
    """What is booked ahead leaves the walk-in reserve, but for what was promised before that was raised."""

    def __init__(self) -> None:
        self.ahead: set[str] = set()
        """What was promised more than that ahead, and is where it was decided to be."""
        self.booked = Steps.flat(0)

    def check(self, seen: Seen) -> None:
        for one in seen.events:
            lease = one.lease or ""
            if one.event in ("slipped", "queued", "moved"):
                self.ahead.discard(lease)
            if one.event == "scheduled" and (one.promised_start or 0) > one.at + NEAR_S:
                self.ahead.add(lease)
        booked = quota.held(lease for id_, lease in seen.leases.items() if id_ in self.ahead)
        line = POOL_GPUS * (PPM - seen.book.policy.walk_in_ppm) // PPM
        for at in booked.times:
            if at > seen.now + NEAR_S:
                assert booked.at(at) <= max(line, self.booked.at(at)), at
        self.booked = booked
