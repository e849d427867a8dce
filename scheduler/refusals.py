"""Why a lease cannot be extended that far, or made that large: a sentence, the numbers, and what would work."""

from collections.abc import Mapping

from dure.errors import ExtensionRefused, ResizeRefused
from scheduler.actor import Actor
from scheduler.case import Case, rfc
from scheduler.core.extend import NotExtended, Obstacle
from scheduler.core.model import LeaseId
from scheduler.core.resize import NotResized

Numbers = dict[str, int | str]


def extension(case: Case, found: NotExtended, until: int, actor: Actor) -> ExtensionRefused:
    """Others' leases are counted; a company is told the ids of its own."""
    lease, obstacle = case.lease, found.obstacle
    numbers: Numbers = {
        "in_the_way": obstacle.what,
        "in_the_way_from": rfc(obstacle.at),
        "longest_s": found.longest_s,
        "longest_until": rfc(case.ends_at + found.longest_s),
        "gpus": lease.gpus,
        **_in_the_way(case, obstacle, actor),
    }
    why = _why(case, obstacle)
    if not found.longest_s:
        return ExtensionRefused(
            f"lease {lease.id} cannot be extended past {rfc(case.ends_at)}: {why}; ask for a new lease", numbers=numbers
        )
    return ExtensionRefused(
        f"lease {lease.id} cannot be extended until {rfc(until)}: {why}; it can until {numbers['longest_until']}, "
        "with `partly` or `longest`",
        numbers=numbers,
    )


def resize(case: Case, found: NotResized, numbers: Mapping[str, int | str]) -> ResizeRefused:
    why = {
        "quota": f"{case.lease.company}'s quota leaves no more until it ends",
        "reserve": "what long leases may take of the pool leaves no more",
        "capacity": "no more is free now and until it ends beside what is promised",
    }[found.obstacle]
    said = f"lease {case.lease.id} cannot be made so large: {why}; it can have {found.largest}"
    return ResizeRefused(said, numbers={**numbers, "in_the_way": found.obstacle, "largest": found.largest})


def _why(case: Case, obstacle: Obstacle) -> str:
    at = rfc(obstacle.at)
    match obstacle.what:
        case "horizon":
            return f"the calendar reaches no further than {at}"
        case "quota":
            return f"{case.lease.company}'s quota leaves it fewer GPUs than it has from {at} on"
        case "reserve":
            return f"what long leases may take of the pool is taken from {at} on"
        case "drain":
            return f"a node that it runs on is out of service from {at} on"
        case "promise":
            return f"its GPUs are promised to others from {at} on, who have no place on other nodes"
        case "capacity":
            return f"its GPUs are not free from {at} on"


def _in_the_way(case: Case, obstacle: Obstacle, actor: Actor) -> Numbers:
    if obstacle.what == "quota":
        company = case.lease.company
        held = case.book.held(company).at(obstacle.at)
        return {"limit_gpus": case.book.quota(company), "held_gpus": held}
    if not obstacle.leases:
        return {}
    known = [found for found in obstacle.leases if _known(case, found, actor)]
    found: Numbers = {"promises_in_the_way": len(obstacle.leases)}
    return found | ({"leases_in_the_way": ", ".join(known)} if known else {})


def _known(case: Case, lease: LeaseId, actor: Actor) -> bool:
    return actor.company in (None, case.book.leases[lease].company)
