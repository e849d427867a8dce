"""What can be chosen at the top of a dashboard. The choices of each are read from the metrics of those before it."""

from grafana_foundation_sdk.builders.dashboard import DatasourceVariable, QueryVariable, TextBoxVariable
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    VariableHide,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
EVERYTHING = ".*"
"""What `All` stands for: a list of 10,000 GPUs would not fit into a query."""

RUNBOOKS = "https://dure.dev/docs/operations.md"


def datasource() -> DatasourceVariable:
    about = "The Prometheus that scrapes Dure"
    return DatasourceVariable("datasource").label("Prometheus").description(about).type("prometheus")


def pool() -> QueryVariable:
    return _many("pool", "Pool", "Pools of GPUs", "label_values(dure_leases, pool)")


def company() -> QueryVariable:
    return _many("company", "Company", "Those who lease", "label_values(dure_quota_gpus, company)")


def node() -> QueryVariable:
    return _many("node", "Node", "Machines with GPUs", "label_values(dure_node_report_age_seconds, node)")


def gpu() -> QueryVariable:
    return _many("gpu", "GPU", "By UUID", 'label_values(dure_gpu_info{node=~"$node"}, gpu)')


def cluster() -> QueryVariable:
    return _many("cluster", "Cluster", "Where leases are enforced", "label_values(dure_cluster_up, cluster)")


def lease() -> QueryVariable:
    """One alone: the dashboard is its story."""
    query = 'label_values(dure_lease_info{company=~"$company", pool=~"$pool"}, lease)'
    return _query("lease", "Lease", "Those that are open, or ended in the time that is looked at", query)


def runbooks() -> TextBoxVariable:
    """Where docs/operations.md can be read; the chart's value `alerts.runbooks` is the same for the alerts."""
    about = "Where the runbooks can be read"
    variable = TextBoxVariable("runbooks").label("Runbooks").description(about).hide(VariableHide.HIDE_VARIABLE)
    return variable.default_value(RUNBOOKS).current(VariableOption(text=RUNBOOKS, value=RUNBOOKS))


def _many(name: str, label: str, about: str, query: str) -> QueryVariable:
    everything = VariableOption(selected=True, text=["All"], value=["$__all"])
    return _query(name, label, about, query).multi(True).include_all(True).all_value(EVERYTHING).current(everything)


def _query(name: str, label: str, about: str, query: str) -> QueryVariable:
    variable = QueryVariable(name).label(label).description(about).datasource(SOURCE).query(query)
    return variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)
