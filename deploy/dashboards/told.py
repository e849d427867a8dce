"""Queries that tell what is known from what is not: where nobody tells, they have no data, and a panel says unknown."""

from deploy.dashboards.choices import NOTHING

LEADS = "max(dure_leader == 1 and on (instance) dure_database_up == 1)"
"""1 while somebody leads and can read the rows, else no data."""

STALLED_S = 10
"""A turn begins at least once a second; after so long without one the numbers are true and nothing acts on them."""

LIVE = (
    "max(dure_leader) + (max((time() - dure_loop_last_turn_timestamp_seconds < bool "
    f"{STALLED_S}) and on (instance) dure_leader == 1) or vector(0))"
)
"""See `choices.TRUTH`; no data where no scheduler is scraped."""


AGENTS = "max(dure_agent_build_info)"
"""1 while any agent is scraped, else no data."""


OTHERWISE = " or on () "


def or_zero(expression: str, *, label: str = "", knows: str = LEADS) -> str:
    """For what has no series where there is none: 0 only while somebody is there to know it.

    Where the series differ by a `label`, the one that stands for none has the label `none`.
    """
    none = f"0 * {knows}"
    return f"({expression}){OTHERWISE}" + (f'label_replace({none}, "{label}", "none", "", "")' if label else none)


def or_nothing(expression: str) -> str:
    """The same for what 0 would be a value of."""
    return f"({expression}){OTHERWISE}{NOTHING} * {LEADS}"


def bare(expression: str) -> str:
    """What is asked, without what stands for none of it."""
    return expression.partition(OTHERWISE)[0]


def quantile(part: float, histogram: str, matching: str = "", *, by: str = "", over: str = "$__rate_interval") -> str:
    """Of what a histogram was told of meanwhile."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({part}, sum by ({labels}) (rate({histogram}_bucket{{{matching}}}[{over}])))"
