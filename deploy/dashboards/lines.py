"""Lines over the time that is looked at. A gap is a time in which nobody told anything, and stays a gap."""

from collections.abc import Iterable, Sequence

from grafana_foundation_sdk.builders import common, timeseries
from grafana_foundation_sdk.builders.dashboard import DashboardLink, FieldColor
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models.dashboard import FieldColorModeId

from deploy.dashboards import looks
from deploy.dashboards.asking import LETTERS, Query, meanwhile
from deploy.dashboards.choices import BLUE, GREEN, ORANGE, PURPLE, SKY, STATES, VERMILLION, YELLOW

ORDER = (BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE, YELLOW)
DASHES: Sequence[Sequence[float]] = ((), (10, 10), (2, 6), (20, 6), (12, 4, 2, 4), (4, 4), (24, 4, 2, 4, 2, 4))
"""Lines differ by these as well as by colour."""


def lines(
    title: str, about: str, queries: Sequence[Query], unit: str, *, links: Sequence[DashboardLink] = ()
) -> timeseries.Panel:
    """Of a few things, a query for each: each has its colour and its dashes."""
    return _told_apart(_series(title, about, queries, unit, links), [query.legend for query in queries], ORDER)


def states(title: str, about: str, query: Query, unit: str, words: Sequence[str]) -> timeseries.Panel:
    """Of one thing by state, side by side; `words` are the names of the series."""
    return _told_apart(_series(title, about, [query], unit), words, [STATES[word] for word in words])


def stack(title: str, about: str, query: Query, unit: str, words: Sequence[str]) -> timeseries.Panel:
    """The same, one on the other, in which all of it is seen."""
    panel = _series(title, about, [query], unit).fill_opacity(70).line_width(1)
    panel = panel.stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL).group("A"))
    for word in words:
        panel = panel.override_by_name(word, [looks.fixed(STATES[word])])
    return panel


def shades(title: str, about: str, query: Query, unit: str, *, links: Sequence[DashboardLink] = ()) -> timeseries.Panel:
    """Of as many as there are, such as pools: shades of one colour, which differ in brightness, and a legend in order of size."""
    panel = _series(title, about, [query], unit, links)
    return panel.color_scheme(FieldColor().mode(FieldColorModeId.SHADES).fixed_color(SKY))


def _series(
    title: str, about: str, queries: Sequence[Query], unit: str, links: Sequence[DashboardLink] = ()
) -> timeseries.Panel:
    panel = looks.begun(timeseries.Panel(), title, about, unit, links)
    for letter, query in zip(LETTERS, queries, strict=False):
        panel = panel.with_target(meanwhile(query, letter))
    panel = panel.span_nulls(False).line_width(2).fill_opacity(0).axis_soft_min(0)
    panel = panel.show_points(kinds.VisibilityMode.AUTO)
    return panel.legend(looks.with_values_below()).tooltip(looks.all_at_once())


def _told_apart(panel: timeseries.Panel, names: Iterable[str], colours: Iterable[str]) -> timeseries.Panel:
    for name, colour, dashes in zip(names, colours, DASHES, strict=False):
        panel = panel.override_by_name(name, [looks.fixed(colour), looks.dashed(dashes)])
    return panel
