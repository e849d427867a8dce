"""Which dashboards there are, and the ways from each to the others; what is chosen and the time go along."""

from collections.abc import Mapping

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

TITLES: Mapping[str, str] = {
    "dure-fleet": "Fleet now",
    "dure-promises": "Promises",
    "dure-companies": "Companies",
    "dure-lease": "One lease",
    "dure-nodes": "Nodes and GPUs",
    "dure-itself": "Dure itself",
}
"""By uid, which stays, so that links and bookmarks do."""

RUNBOOKS = "Runbooks"
TIME = "${__url_time_range}"
SOURCE = "${datasource:queryparam}"
EVERY_CHOICE = "${__all_variables}"


def across(uid: str) -> list[DashboardLink]:
    """To every other dashboard, and to the runbooks of the alerts."""
    others = [_across(other, title) for other, title in TITLES.items() if other != uid]
    runbooks = DashboardLink(RUNBOOKS).type(DashboardLinkType.LINK).icon("doc").url("${runbooks}").target_blank(True)
    return [*others, runbooks.tooltip("What each alert means and what to do")]


def to(uid: str, **chosen: str) -> DashboardLink:
    """From a value or a series: with all that is chosen here; or `chosen` alone, by label: `company="company"`."""
    return _link(uid, {name: f"${{__field.labels.{label}}}" for name, label in chosen.items()})


def to_cell(uid: str, **chosen: str) -> DashboardLink:
    """From a cell of a table, with what its row has in other columns."""
    return _link(uid, {name: f"${{__data.fields.{column}}}" for name, column in chosen.items()})


def _across(uid: str, title: str) -> DashboardLink:
    link = DashboardLink(title).type(DashboardLinkType.LINK).icon("dashboard").url(f"/d/{uid}")
    return link.include_vars(True).keep_time(True).tooltip(f"Dure: {title}")


def _link(uid: str, chosen: Mapping[str, str]) -> DashboardLink:
    choices = [SOURCE, *(f"var-{name}={value}" for name, value in chosen.items())] if chosen else [EVERY_CHOICE]
    return DashboardLink(f"Open {TITLES[uid]}").url(f"/d/{uid}?" + "&".join([*choices, TIME]))
