"""Numbers, bars, timelines and heat: the panels that are not lines or tables."""

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import bargauge, common, heatmap, stat, statetimeline
from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode

from deploy.dashboards import looks
from deploy.dashboards.asking import LETTERS, Query, buckets, meanwhile, now
from deploy.dashboards.choices import COUNTED, NO_SUCH, PLAIN, STATE, TRUTH, WHOLE, Steps, Word
from deploy.dashboards.told import LIVE


def number(
    title: str,
    about: str,
    expression: str,
    unit: str,
    *,
    steps: Steps = PLAIN,
    words: Mapping[float, Word] = NO_SUCH,
    links: Sequence[DashboardLink] = (),
) -> stat.Panel:
    """One value, of now."""
    return _stat(title, about, Query(expression, title), unit, links, steps, words)


def name(title: str, about: str, query: Query) -> stat.Panel:
    """What the only series is called, by its legend; its value is not shown."""
    panel = _stat(title, about, query, STATE, (), PLAIN, {})
    return panel.text_mode(kinds.BigValueTextMode.NAME)


def live() -> stat.Panel:
    """Comes first everywhere: whether what the scheduler tells is of now, and somebody acts on it."""
    about = "Whether a scheduler leads, reads the database and takes its turns; unless it is live, its numbers are missing or nothing acts on them."
    return number("Dure is", about, LIVE, STATE, words=TRUTH)


def bars(
    title: str,
    about: str,
    queries: Sequence[Query],
    unit: str,
    *,
    steps: Steps = PLAIN,
    most: float | None = None,
    links: Sequence[DashboardLink] = (),
) -> bargauge.Panel:
    """A bar for each series as it is now, its name beside it and its value at the end."""
    panel = looks.stepped(looks.begun(bargauge.Panel(), title, about, unit, links), steps, NO_SUCH)
    for letter, query in zip(LETTERS, queries, strict=False):
        panel = panel.with_target(now(query, letter))
    panel = panel.min(0).orientation(kinds.VizOrientation.HORIZONTAL).show_unfilled(True)
    panel = panel if most is None else panel.max(most)
    panel = panel.decimals(0) if unit in COUNTED else panel
    panel = panel.display_mode(kinds.BarGaugeDisplayMode.BASIC).value_mode(kinds.BarGaugeValueMode.TEXT)
    return panel.reduce_options(looks.last())


def timeline(title: str, about: str, query: Query, words: Mapping[float, Word]) -> statetimeline.Panel:
    """A bar for each series, with the word for what it is in it; where nobody told, there is none."""
    panel = looks.begun(statetimeline.Panel(), title, about, STATE).with_target(meanwhile(query))
    panel = looks.stepped(panel, PLAIN, words).show_value(kinds.VisibilityMode.AUTO)
    return panel.merge_values(True).row_height(0.9).line_width(1).fill_opacity(80).legend(looks.listed_below())


def heat(title: str, about: str, query: Query, unit: str) -> heatmap.Panel:
    """How many fell into each bucket, in colours that are in order of brightness for everybody."""
    colours = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Cividis").steps(32)
    panel = looks.begun(heatmap.Panel(), title, about, unit).with_target(buckets(query))
    panel = panel.hide_from(common.HideSeriesConfig().legend(False).tooltip(False).viz(False))
    return panel.color(colours).show_legend().y_axis(heatmap.YAxisConfig().unit(unit))


def _stat(
    title: str,
    about: str,
    query: Query,
    unit: str,
    links: Sequence[DashboardLink],
    steps: Steps,
    words: Mapping[float, Word],
) -> stat.Panel:
    panel = looks.begun(stat.Panel(), title, about, unit, links).with_target(now(query))
    panel = looks.stepped(panel, steps, words).graph_mode(kinds.BigValueGraphMode.NONE)
    panel = panel.text_mode(kinds.BigValueTextMode.VALUE).color_mode(kinds.BigValueColorMode.VALUE)
    panel = panel.decimals(0) if unit.startswith(WHOLE) else panel
    return panel.reduce_options(looks.last())
