"""A dashboard out of its parts: a row of numbers first, then pictures, two beside each other."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DatasourceVariable,
    QueryVariable,
    Row,
    TextBoxVariable,
)
from grafana_foundation_sdk.models import dashboard as model

from deploy.dashboards import links, variables
from deploy.dashboards.looks import AnyPanel

TAG = "dure"
WIDE = 24
NUMBER_HIGH, PICTURE_HIGH = 4, 9


@dataclass(frozen=True, slots=True)
class Section:
    title: str
    pictures: Sequence[AnyPanel]


def page(
    uid: str,
    about: str,
    *,
    choices: Sequence[QueryVariable],
    numbers: Sequence[stat.Panel],
    sections: Sequence[Section],
    since: str = "now-6h",
) -> model.Dashboard:
    """The dashboard `uid` of `links.TITLES`; `choices` are what can be chosen besides the Prometheus."""
    made = Dashboard(f"Dure: {links.TITLES[uid]}").uid(uid).description(about).tags([TAG]).time(since, "now")
    made = made.refresh("30s").tooltip(model.DashboardCursorSync.CROSSHAIR).editable().links(list(links.across(uid)))
    every: list[DatasourceVariable | QueryVariable | TextBoxVariable] = [variables.datasource(), *choices]
    made = made.variables([*every, variables.runbooks()])
    for width, panel in zip(_widths(len(numbers)), numbers, strict=True):
        made = made.with_panel(panel.span(width).height(NUMBER_HIGH))
    for section in sections:
        made = _add(made.with_row(Row(section.title)), section)
    return _numbered(made.build())


def _add(made: Dashboard, section: Section) -> Dashboard:
    last = len(section.pictures) - 1
    for at, panel in enumerate(section.pictures):
        alone = at == last and at % 2 == 0
        made = made.with_panel(panel.span(WIDE if alone else WIDE // 2).height(PICTURE_HIGH))
    return made


def _widths(count: int) -> list[int]:
    """Of so many numbers that fill the row."""
    each, more = divmod(WIDE, count)
    return [each + (1 if at < more else 0) for at in range(count)]


def _numbered(made: model.Dashboard) -> model.Dashboard:
    """With ids, by which a link shows one panel alone."""
    for at, panel in enumerate(made.panels or []):
        panel.id_val = at + 1
    return made
