"""Watches over what was promised: every state is reached by the table, no promise is broken, spot is told its notice."""

from scheduler.core.lease import NEXT
from scheduler.core.model import State
from scheduler.store.tables import Lease as Row
from scheduler.store.tables import LeaseEvent
from tests.integration.scheduler.day.limits import SLIPS
from tests.integration.scheduler.day.seen import Seen

STATES = {state.value: state for state in State}

WISHED = frozenset({"released", "cancelled", "revoked"})
"""The causes of an end that nobody but a person has."""


class States:
    """Leases go where the table leads. None ends unwished before its time, and the first cause of an end is kept."""

    def __init__(self) -> None:
        self.states: dict[str, State] = {}
        self.wished: set[tuple[str, str]] = set()
        """The leases that somebody wanted to end, and for what cause."""
        self.causes: dict[str, str] = {}

    def check(self, seen: Seen) -> None:
        for one in seen.events:
            if (state := STATES.get(one.event)) is not None and one.lease is not None:
                before = self.states.get(one.lease, State.ASKED)
                assert state in NEXT[before], (before, state)
                self.states[one.lease] = state
            if one.event in ("ending", "ended", "cancelled"):
                self._note_cause(one)
        for row in seen.rows:
            assert self.states[row.id].value == row.state
            assert row.end_cause is None or row.end_cause == self.causes[row.id], row
            assert row.end_cause != "preempted" or row.tier == "spot", row

    def _note_cause(self, one: LeaseEvent) -> None:
        lease, cause = one.lease or "", one.cause or ""
        assert cause not in WISHED or (lease, cause) in self.wished, one
        assert self.causes.setdefault(lease, cause) == cause, one


class Promises:
    """A promise is later only where capacity was lost, with that cause; and what starts late has one."""

    def __init__(self) -> None:
        self.promised: dict[str, int] = {}
        self.slipped: set[str] = set()

    def check(self, seen: Seen) -> None:
        slipped = {one.lease or "" for one in seen.events if self._is_slip(one)}
        self.slipped |= slipped
        for row in seen.rows:
            if row.promised_start is None:  # in the queue again, it is promised anew
                self.promised.pop(row.id, None)
                continue
            before = self.promised.get(row.id, row.promised_start)
            assert row.promised_start <= before or row.id in slipped, row
            self.promised[row.id] = row.promised_start
            self._check_start(row)

    def _is_slip(self, one: LeaseEvent) -> bool:
        slips = one.event == "slipped" or (one.event == "queued" and one.cause != "asked")
        assert not slips or one.cause in SLIPS, one
        return slips

    def _check_start(self, row: Row) -> None:
        if row.started_at is not None and row.id not in self.slipped:
            assert row.started_at <= (row.promised_start or 0) or row.late_cause is not None, row


class Notices:
    """Spot that is preempted was told so its notice ahead: when it was cut, or what it was lent until when it started."""

    def __init__(self) -> None:
        self.told: dict[tuple[str, int], int] = {}
        """When a lease was first told that it stops at that instant, or from when on it had it."""

    def check(self, seen: Seen) -> None:
        for one in seen.events:
            lease = seen.leases[one.lease or ""]
            if lease.is_spot and one.stops_at is not None and one.event in ("scheduled", "preempting", "goes_on"):
                since = max(one.at, one.starts_at or 0) if one.event == "scheduled" else one.at
                self.told.setdefault((lease.id, one.stops_at), since)
            if one.event == "preempting":
                assert lease.is_spot, one
                assert int(str(one.detail["in_s"])) == (one.stops_at or 0) - one.at >= lease.notice_s, one
        for lease in seen.leases.values():
            if lease.is_spot and lease.end_cause == "preempted" and lease.started_at is not None:
                stops_at = lease.stops_at or 0
                assert (lease.id, stops_at) in self.told, lease
                assert stops_at - self.told[lease.id, stops_at] >= min(lease.notice_s, lease.duration_s), lease
