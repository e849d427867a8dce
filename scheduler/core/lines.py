"""The queue, and the line that each company's asks stand in."""

from collections.abc import Sequence

from scheduler.core.model import Ask, CompanyId, Instant, LeaseId

Queued = tuple[LeaseId, Ask, Instant]
"""A queued ask, with when it was asked."""

Queue = Sequence[Queued]
"""Queued asks in the order of arrival."""


def lines(queue: Queue) -> dict[CompanyId, list[Queued]]:
    """By company, who asked first last."""
    found: dict[CompanyId, list[Queued]] = {}
    for one in reversed(queue):
        found.setdefault(one[1].company, []).append(one)
    return found
