"""How a panel asks Prometheus: for now alone, or for the time that is looked at."""

from dataclasses import dataclass

from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from deploy.dashboards.variables import SOURCE

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Query:
    """`legend` names its series, with `{{label}}` for what they differ in; in a table it names the column.

    With `exemplars` single cases are dots beside the lines, where Prometheus keeps them.
    """

    expression: str
    legend: str
    exemplars: bool = False


def now(query: Query, letter: str = "A") -> Dataquery:
    """At the end of the time that is looked at: nothing older is shown, so that what was told last is not taken for what is."""
    return _asked(query, letter).instant()


def meanwhile(query: Query, letter: str = "A") -> Dataquery:
    asked = _asked(query, letter).range()
    return asked.exemplar(True) if query.exemplars else asked


def rows(query: Query, letter: str) -> Dataquery:
    """A row for each series of now, with its labels as columns."""
    return now(query, letter).format(PromQueryFormat.TABLE)


def buckets(query: Query) -> Dataquery:
    return meanwhile(query).format(PromQueryFormat.HEATMAP)


def _asked(query: Query, letter: str) -> Dataquery:
    return Dataquery().expr(query.expression).legend_format(query.legend).ref_id(letter).datasource(SOURCE)
