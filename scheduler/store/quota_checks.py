"""What of a quota cannot be set: everything that is wrong is named, and nothing is changed."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dure import wire
from dure.errors import ContradictoryLimits, InvalidRequest
from dure.quota_clashes import contradictions
from dure.wire import FieldError

TERM_OVER = "the term is over already; give one that ends in the future"

SHOWN = 5
"""Mistakes that the sentence names; all of them are in its errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """`field` and what is `said` of it; with `numbers`, of limits that cannot be meant together."""

    field: str
    said: str
    numbers: Mapping[str, int] | None = None


def mistakes(before: wire.QuotaSet | None, after: wire.QuotaSet, now: float) -> Iterator[Mistake]:
    """What is wrong with setting `after` instead of `before`."""
    if _becomes_over(before, after, now):
        yield Mistake(field="budget", said=TERM_OVER)
    for one in contradictions(before, after):
        yield Mistake(field=one.field, said=one.said, numbers=one.numbers)


def refuse(found: Iterable[Mistake]) -> None:
    """Raises ContradictoryLimits where limits that cannot be meant together are all that is wrong, else InvalidRequest."""
    wrong = list(found)
    if not wrong:
        return
    errors = [FieldError(field=one.field, message=one.said) for one in wrong]
    detail = "; ".join(f"{one.field}: {one.message}" for one in errors[:SHOWN]) + ". Nothing was changed"
    if all(one.numbers is not None for one in wrong):
        raise ContradictoryLimits(detail, errors=errors, numbers=wrong[0].numbers)
    raise InvalidRequest(detail, errors=errors)


def _becomes_over(before: wire.QuotaSet | None, after: wire.QuotaSet, now: float) -> bool:
    """Whether its budget is another than before, and of a term that is over."""
    ends_at = None if after.budget is None else after.budget.ends_at
    if ends_at is None or ends_at.timestamp() > now:
        return False
    return before is None or before.budget != after.budget
