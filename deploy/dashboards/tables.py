"""Tables of now: a row for each series, what it is called in front, and a column for each query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.builders.common import TableSortByFieldState
from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue

from deploy.dashboards import looks
from deploy.dashboards.asking import LETTERS, Query, rows
from deploy.dashboards.choices import NO_SUCH, PLAIN, UNKNOWN, Steps, Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """`steps` colour its text."""

    title: str
    expression: str
    unit: str
    steps: Steps = PLAIN
    words: Mapping[float, Word] = field(default_factory=lambda: NO_SUCH)


def grid(
    title: str,
    about: str,
    columns: Sequence[Column],
    *,
    sort_by: str,
    descending: bool = True,
    links: Mapping[str, Sequence[DashboardLink]] | None = None,
    empty: str = UNKNOWN,
) -> table.Panel:
    """The queries of all columns have the same labels, which are the first columns; `links` are by label."""
    panel = looks.begun(table.Panel(), title, about, columns[0].unit).no_value(empty)
    for letter, column in zip(LETTERS, columns, strict=False):
        panel = panel.with_target(rows(Query(column.expression, column.title), letter))
        panel = panel.override_by_name(column.title, _look(column))
    for label, targets in (links or {}).items():
        panel = panel.override_by_name(label, [DynamicConfigValue("links", [link.build() for link in targets])])
    panel = panel.transformations([_merged(), _named(columns)]).filterable(True)
    return panel.sort_by([TableSortByFieldState().display_name(sort_by).desc(descending)])


def _look(column: Column) -> list[DynamicConfigValue]:
    thresholds = {"mode": "absolute", "steps": list(looks.thresholds_of(column.steps))}
    return [
        DynamicConfigValue("unit", column.unit),
        DynamicConfigValue("thresholds", thresholds),
        DynamicConfigValue("color", {"mode": "thresholds"}),
        DynamicConfigValue("mappings", [looks.mapping(column.words)]),
        DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
    ]


def _merged() -> DataTransformerConfig:
    return DataTransformerConfig(id_val="merge", options={})


def _named(columns: Sequence[Column]) -> DataTransformerConfig:
    # Grafana calls the values of one query "Value", and those of several "Value #A" and so on.
    values = ["Value"] if len(columns) == 1 else [f"Value #{letter}" for letter in LETTERS[: len(columns)]]
    names = {value: column.title for value, column in zip(values, columns, strict=True)}
    return DataTransformerConfig(
        id_val="organize", options={"excludeByName": {"Time": True}, "renameByName": names, "indexByName": {}}
    )
