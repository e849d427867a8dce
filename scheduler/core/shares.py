"""What companies are entitled to of a pool that not everybody can have: their shares, and what was counted of their use.

A share is a weight. The pool is parted among groups by theirs, and within a group among its companies; who is in no group
stands beside the groups. A company with a quota of which nobody said a share has `DEFAULT_SHARES`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from scheduler.core.model import CompanyId, Instant
from scheduler.core.quota import Quota

DEFAULT_SHARES = 1
WHOLE = 1_000_000_000
"""A part of the pool is so many billionths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A company's weight, in its group or beside the groups. No shares at all is the default again."""

    company: CompanyId
    shares: int
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The weight that the companies of a group have together."""

    name: str
    shares: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """GPU-seconds that a company used, and that it was entitled to, each halved for every half-life that has passed."""

    company: CompanyId
    used: int
    entitled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """What was counted up to `at`, by company; who is not in it has used nothing and was entitled to nothing."""

    at: Instant
    of: tuple[Use, ...]

    def excess(self) -> dict[CompanyId, int]:
        """GPU-seconds that each used beyond what it was entitled to; below zero where it is owed some."""
        return {one.company: one.used - one.entitled for one in self.of}


UNCOUNTED = Uses(at=Instant(0), of=())


def members(shares: Mapping[CompanyId, Share], quotas: Mapping[CompanyId, Quota]) -> dict[str, dict[CompanyId, int]]:
    """Everybody who has a share or a quota, by group."""
    found: dict[str, dict[CompanyId, int]] = {}
    with_quota = {company for company, quota in quotas.items() if quota.gpus}
    for company in sorted(with_quota | shares.keys()):
        share = shares.get(company)
        group = share.group if share is not None and share.group else f"/{company}"
        found.setdefault(group, {})[company] = DEFAULT_SHARES if share is None else share.shares or DEFAULT_SHARES
    return found


def group_weight(name: str, inside: Mapping[CompanyId, int], groups: Mapping[str, Group]) -> int:
    """A group's weight beside the other groups; that of a company in none is its own."""
    if name.startswith("/"):
        return sum(inside.values())
    group = groups.get(name)
    return DEFAULT_SHARES if group is None else group.shares or DEFAULT_SHARES


def parts(
    shares: Mapping[CompanyId, Share], groups: Mapping[str, Group], quotas: Mapping[CompanyId, Quota]
) -> dict[CompanyId, int]:
    """Each company's part of the pool, in billionths; together they are the pool, less what is lost in rounding."""
    found = members(shares, quotas)
    weights = {name: group_weight(name, inside, groups) for name, inside in found.items()}
    total = sum(weights.values())
    return {
        company: WHOLE * weights[name] * weight // (total * sum(inside.values()))
        for name, inside in found.items()
        for company, weight in inside.items()
    }


N = TypeVar("N", bound=str)


def filled(amount: int, weights: Mapping[N, int], wanted: Mapping[N, int]) -> dict[N, int]:
    """Weighted max-min: `amount` poured into vessels as wide as their weights and as high as what is wanted.

    Nobody gets more than is wanted, and whoever gets less has no less by weight than anybody else (water-filling,
    Bertsekas and Gallager, "Data Networks", 6.5.2). In whole units, rounded down.
    """
    order = sorted(
        (name for name in weights if wanted.get(name, 0) > 0),
        key=lambda name: (wanted[name] * WHOLE // weights[name], name),
    )
    left, width = amount, sum(weights[name] for name in order)
    found: dict[N, int] = {}
    for name in order:
        found[name] = min(wanted[name], left * weights[name] // width)
        left -= found[name]
        width -= weights[name]
    return found


def entitled(
    amount: int,
    wanted: Mapping[CompanyId, int],
    shares: Mapping[CompanyId, Share],
    groups: Mapping[str, Group],
    quotas: Mapping[CompanyId, Quota],
) -> dict[CompanyId, int]:
    """What each is entitled to of `amount` when everybody wants so much: weighted max-min over groups, and inside each."""
    found = members(shares, quotas)
    asked = {name: sum(wanted.get(company, 0) for company in inside) for name, inside in found.items()}
    weights = {name: group_weight(name, inside, groups) for name, inside in found.items()}
    poured = filled(amount, weights, asked)
    result: dict[CompanyId, int] = {}
    for name, inside in found.items():
        result |= filled(poured.get(name, 0), inside, wanted)
    return result
