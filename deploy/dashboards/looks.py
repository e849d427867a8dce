"""What panels of every kind look like: unit, colours, words, legend. A panel that is told nothing says unknown."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from grafana_foundation_sdk.builders import bargauge, common, heatmap, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.dashboard import DashboardLink, FieldColor, ThresholdsConfig
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models.dashboard import (
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)

from deploy.dashboards.choices import UNKNOWN, Steps, Word
from deploy.dashboards.variables import SOURCE

AnyPanel = stat.Panel | timeseries.Panel | statetimeline.Panel | bargauge.Panel | table.Panel | heatmap.Panel
P = TypeVar("P", stat.Panel, timeseries.Panel, statetimeline.Panel, bargauge.Panel, table.Panel, heatmap.Panel)
Stepped = TypeVar("Stepped", stat.Panel, statetimeline.Panel, bargauge.Panel)


def begun(panel: P, title: str, about: str, unit: str, links: Sequence[DashboardLink] = ()) -> P:
    panel = panel.title(title).description(about).unit(unit).datasource(SOURCE).no_value(UNKNOWN)
    return panel.data_links(list(links))


def stepped(panel: Stepped, steps: Steps, words: Mapping[float, Word]) -> Stepped:
    """Coloured by value, and where a value has a word, it is the word that is read."""
    thresholds = ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(list(thresholds_of(steps)))
    panel = panel.thresholds(thresholds).color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
    return panel.mappings([mapping(words)])


def thresholds_of(steps: Steps) -> Sequence[Threshold]:
    return [Threshold(value=value, color=colour) for value, colour in steps]


def mapping(words: Mapping[float, Word]) -> ValueMap:
    return ValueMap(
        {
            f"{value:g}": ValueMappingResult(text=word.text, color=word.colour, index=at)
            for at, (value, word) in enumerate(words.items())
        }
    )


def fixed(colour: str) -> DynamicConfigValue:
    return DynamicConfigValue("color", {"mode": FieldColorModeId.FIXED.value, "fixedColor": colour})


def dashed(dashes: Sequence[float]) -> DynamicConfigValue:
    return DynamicConfigValue(
        "custom.lineStyle", {"fill": "dash", "dash": list(dashes)} if dashes else {"fill": "solid"}
    )


def listed_below() -> common.VizLegendOptions:
    legend = common.VizLegendOptions().show_legend(True).placement(kinds.LegendPlacement.BOTTOM)
    return legend.display_mode(kinds.LegendDisplayMode.LIST).calcs([])


def with_values_below() -> common.VizLegendOptions:
    """A table in order of what is now, so that a name is found by its rank as well as by its colour."""
    legend = common.VizLegendOptions().show_legend(True).placement(kinds.LegendPlacement.BOTTOM)
    legend = legend.display_mode(kinds.LegendDisplayMode.TABLE).calcs(["last", "max"])
    return legend.sort_by("Last").sort_desc(True)


def all_at_once() -> common.VizTooltipOptions:
    return common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.DESCENDING)


def last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])
