"""Why a lease does not get the end or the size that was asked for: a sentence, the numbers, and what would work.

A refusal is a decision and is kept as one, though it changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dure import wire
from dure.errors import DureError, ExtensionRefused, ResizeRefused, TooLateToExtend, WrongState
from scheduler.actor import Actor
from scheduler.case import Case
from scheduler.core import record, sentences, sharing, words
from scheduler.core.draft import Draft
from scheduler.core.extend import NotExtended, Obstacle, What
from scheduler.core.growth import NotGrown, TooSmall, Way
from scheduler.core.model import Cause, Instant, LeaseId
from scheduler.core.record import Record
from scheduler.core.shapes import size_of
from scheduler.store import audit, drains, plans, records
from scheduler.store.db import Session
from scheduler.store.records import Said

Numbers = dict[str, int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """A change that is refused, and what is kept of it. `leases` are those in the way, of which each is told its own."""

    case: Case
    kept: Record
    kind: type[DureError]
    detail: str
    numbers: Mapping[str, int | str]
    leases: Sequence[LeaseId] = ()

    def told(self, company: str | None) -> Numbers:
        """The numbers for a company, or for an admin, who is told all ids; a company those of its own leases."""
        leases = self.case.book.leases
        known = [lease for lease in self.leases if company is None or leases[lease].company == company]
        return {**self.numbers} | ({"leases_in_the_way": ", ".join(known)} if known else {})

    def error(self, actor: Actor, decision: wire.Decision | None = None) -> DureError:
        """The problem that answers who asked."""
        return self.kind(self.detail, numbers=self.told(actor.company), decision=decision)


def keep(session: Session, found: Declined) -> wire.Decision:
    """Writes the refusal down as a decision about the lease, as its company may see it."""
    case = found.case
    said = Said(code=found.kind.code, detail=found.detail, numbers=found.told(case.lease.company))
    id_ = plans.write_decision(
        session,
        case.book,
        found.kept,
        said,
        pool=case.row.pool,
        decided_at=case.number,
        at=case.now,
        refused=case.lease,
    )
    return records.refusal_to_wire(said, id=id_, policy=case.book.policy, at=case.now)


def answer(session: Session, found: Declined, action: wire.AuditAction, actor: Actor) -> DureError:
    """Keeps the refusal of what somebody asked for; the problem that names its decision."""
    decision, row = keep(session, found), found.case.row
    after = {"refused": decision.code, "decision": decision.id}
    audit.record(session, actor=actor, action=action, subject=row.id, at=found.case.now, after=after)
    session.flush()
    return found.error(actor, decision)


def extension(
    session: Session, case: Case, found: NotExtended, until: int, *, partly: bool, verb: str = "extended"
) -> Declined:
    """`verb` says what was to be done: a renewal is an extension too."""
    lease, obstacle = case.lease, found.obstacle
    longest_until = words.time(case.ends_at + found.longest_s)
    numbers: Numbers = {
        "in_the_way": obstacle.what,
        "in_the_way_from": words.time(obstacle.at),
        "longest_s": found.longest_s,
        "longest_until": longest_until,
        "gpus": lease.gpus,
        **_in_the_way(case, obstacle.what, obstacle.at, obstacle.leases),
    }
    drained = _drained(session, obstacle)
    if obstacle.drain is not None:
        numbers |= drained | {"in_the_way_from": words.time(obstacle.drain.starts_at)}
    why = _why(case, obstacle, drained)
    detail = (
        f"lease {lease.id} cannot be {verb} until {words.time(until)}: {why}; it can until {longest_until}, with `partly` or `longest`"
        if found.longest_s
        else f"lease {lease.id} cannot be {verb} past {words.time(case.ends_at)}: {why}; ask for a new lease"
    )
    kept = record.of_extension(case.book, lease.id, until, case.at, found, partly=partly, rivals=case.rivals)
    return Declined(case=case, kept=kept, kind=ExtensionRefused, detail=detail, numbers=numbers, leases=obstacle.leases)


def never_extended(lease: str) -> WrongState:
    """That of a lease that was asked for as one that is not."""
    said = f"lease {lease} was asked for with extendable: false, so its end stays: its pods have their deadline already; ask for a new lease"
    return WrongState(said, numbers={"extendable": "false"})


def closed(case: Case, until: int, at: Instant, *, missed: bool = False) -> Declined:
    """That of an extension for which it was too late from `at` on; `missed` is a renewal that nobody was there for."""
    lease, ends_at = case.row.id, words.time(case.ends_at)
    detail = f"extending lease {lease} closed at {words.time(at)}, before its end at {ends_at}; ask for a new lease"
    if missed:
        detail = f"lease {lease} was not renewed before extending it closed at {words.time(at)}, as nobody was there to; it ends at {ends_at}"
    return Declined(
        case=case,
        kept=record.of_closed(case.book, case.lease.id, until, case.at, Instant(int(case.now))),
        kind=TooLateToExtend,
        detail=detail,
        numbers={"closed_at": words.time(at), "ends_at": ends_at},
    )


def resize(case: Case, found: NotGrown | TooSmall, size: int, kept: Record) -> Declined:
    """What is scarce is said with when it is in the way, as far as the calendar has that."""
    way = found.way if isinstance(found, NotGrown) else None
    return Declined(
        case=case,
        kept=kept,
        kind=ResizeRefused,
        detail=_why_not(case, found, size),
        numbers={"asked": size, "has": size_of(case.lease.shape), **_what(case, found, size)},
        leases=() if way is None else way.leases,
    )


def _what(case: Case, found: NotGrown | TooSmall, size: int) -> Numbers:
    if isinstance(found, TooSmall):
        return {"in_the_way": "min", "smallest": found.smallest}
    said: Numbers = {"in_the_way": found.obstacle, "largest": found.largest}
    if found.obstacle == "share":
        return said | _shares(case, _contended(case, size))
    way = found.way
    return said if way is None else said | _when(way) | _in_the_way(case, found.obstacle, way.at, way.leases)


def _why_not(case: Case, found: NotGrown | TooSmall, size: int) -> str:
    lease = case.lease
    match found:
        case TooSmall(smallest=least):
            return f"lease {lease.id} was asked to have {least} at least; shrink it to {least}, or release it"
        case NotGrown(obstacle="purpose"):
            return f"lease {lease.id} is for training, which does not grow; ask for another lease beside it"
        case NotGrown(obstacle="max", largest=most):
            return f"lease {lease.id} was asked to have {most} at most; resize it to at most {most}"
        case NotGrown(obstacle="quota"):
            why = f"{lease.company}'s quota leaves no more until it ends"
        case NotGrown(obstacle="budget"):
            why = f"{lease.company}'s budget leaves no more until it ends"
        case NotGrown(obstacle="reserve"):
            why = "what long leases may take of the pool leaves no more"
        case NotGrown(obstacle="share"):
            why = _above(case, _contended(case, size))
        case NotGrown(obstacle="walk_in"):
            why = "what may be booked ahead of the pool leaves no more"
        case NotGrown():
            why = "no more is free now and until it ends beside what is promised"
    later = _later(found.way, size)
    return f"lease {lease.id} cannot be made so large: {why}; it can have {found.largest}{later}"


def _later(way: Way | None, size: int) -> str:
    if way is None or way.clear is None:
        return ""
    return f", and by the calendar as it is {size} from {words.time(way.clear)} on"


def _when(way: Way) -> Numbers:
    found: Numbers = {"in_the_way_from": words.time(way.at)}
    if way.clear is not None:
        found["possible_from"] = words.time(way.clear)
    if way.drains:
        found["nodes_drained_then"] = ", ".join(way.drains)
    return found


def _drained(session: Session, obstacle: Obstacle) -> Numbers:
    """The drain that is in the way, and why it is, if one is."""
    if obstacle.drain is None:
        return {}
    reason = drains.reasons(session, [obstacle.drain.id]).get(obstacle.drain.id)
    said = records.drain(obstacle.drain, reason)
    return {name: value for name, value in said.items() if value is not None}


_PAST: Mapping[What, str] = {
    "horizon": "the calendar reaches no further than {at}",
    "quota": "{company}'s quota leaves it fewer GPUs than it has from {at} on",
    "longest": "{company}'s leases last no longer than until {at}, counted from its start",
    "budget": "{company}'s budget has no more left from {at} on",
    "reserve": "what long leases may take of the pool is taken from {at} on",
    "walk_in": "what may be booked ahead of the pool is taken from {at} on",
    "promise": "its GPUs are promised to others from {at} on, who have no place on other nodes",
    "capacity": "its GPUs are not free from {at} on",
}


def _why(case: Case, obstacle: Obstacle, drained: Numbers) -> str:
    if obstacle.what == "drain":
        return sentences.because(Cause.DRAIN, drained)
    if obstacle.what == "share":
        return _above(case, obstacle.at)
    return _PAST[obstacle.what].format(company=case.lease.company, at=words.time(obstacle.at))


def _in_the_way(case: Case, what: str, at: Instant, leases: Sequence[LeaseId]) -> Numbers:
    """Others' leases are counted."""
    found: Numbers = {"promises_in_the_way": len(leases)} if leases else {}
    if what == "quota":
        company = case.lease.company
        found |= {"limit_gpus": case.book.quota(company), "held_gpus": case.book.held(company).at(at)}
    elif what == "share":
        found |= _shares(case, at)
    return found


def _above(case: Case, at: Instant) -> str:
    share = case.book.fair.gpus(case.lease.company, case.book.nominal)
    return (
        f"it would lift {case.lease.company} above its share of pool {case.lease.pool}, {share} GPUs, from {words.time(at)} on, "
        "and others wait whose turn comes before"
    )


def _shares(case: Case, at: Instant) -> Numbers:
    found = sharing.numbers(Draft(case.book), case.lease.company, at)
    return {**found, "contended_at": words.time(at)}


def _contended(case: Case, size: int) -> Instant:
    """When so much would first lift the company above its share."""
    lease, draft = case.lease, Draft(case.book)
    start = max(case.at, lease.starts_at or 0)
    more = (size - size_of(lease.shape)) * (lease.gpus // size_of(lease.shape))
    return sharing.beyond(draft, lease.company, more, start, lease.stops_at or 0) or Instant(start)
