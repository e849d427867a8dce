"""*Dure itself*: whether it turns in time, decides fast, reaches its database and its clusters, and hears its agents."""

from grafana_foundation_sdk.builders import timeseries
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.dashboards import itself_outside, variables
from deploy.dashboards.asking import Query
from deploy.dashboards.choices import (
    BALANCED,
    BYTES,
    CLOCK,
    CONNECTIONS,
    ENFORCED,
    LAG,
    LEADERS,
    SECONDS,
    SILENCE,
    STATE,
    UP,
    VERMILLION,
)
from deploy.dashboards.lines import lines, shades
from deploy.dashboards.links import to
from deploy.dashboards.page import Section, page
from deploy.dashboards.panels import live, number, timeline
from deploy.dashboards.series import state
from deploy.dashboards.told import LEADS, or_nothing, quantile

RATE = "$__rate_interval"
CLUSTER = 'cluster=~"$cluster"'
HALF_AND_WORST = ((0.5, "half"), (0.99, "slowest of 100"))


def made() -> Dashboard:
    turn = "max((time() - dure_loop_last_turn_timestamp_seconds) and on (instance) dure_leader == 1)"
    return page(
        "dure-itself",
        "Whether Dure does its own work: the loop, the database, the API, the clusters, the agents.",
        choices=[variables.cluster()],
        numbers=[
            live(),
            number("Leaders", "Schedulers that lead; it should be one.", "sum(dure_leader)", STATE, words=LEADERS),
            number("Database", "As the scheduler that is worst off sees it.", "min(dure_database_up)", STATE, words=UP),
            number("Last turn", "How long ago the leader's last turn began.", turn, SECONDS, steps=CLOCK),
            number(
                "Loop lag",
                "How long after an edge the slowest hundredth of turns began, in the time looked at.",
                or_nothing(quantile(0.99, "dure_loop_lag_seconds", over="$__range") + " >= 0"),
                SECONDS,
                steps=LAG,
            ),
            number(
                "Ledger",
                "Accounts that do not add up, at the last check.",
                state("dure_ledger_faults"),
                "suffix:faults",
                words=BALANCED,
                steps=((None, VERMILLION),),
            ),
            number(
                "Clusters",
                "Whether leases are enforced in every cluster.",
                or_nothing(f"min({state('dure_cluster_up', CLUSTER, least=True)})"),
                STATE,
                words=ENFORCED,
            ),
            number(
                "Oldest report",
                "How long ago the node that has been silent longest reported.",
                or_nothing(f"max({state('dure_node_report_age_seconds')})"),
                SECONDS,
                steps=SILENCE,
                links=[to("dure-nodes")],
            ),
        ],
        sections=[_loop(), _database(), *itself_outside.sections()],
    )


def _quantiles(title: str, about: str, histogram: str, *, exemplars: bool = False) -> timeseries.Panel:
    (half, often), (most, seldom) = HALF_AND_WORST
    queries = [Query(quantile(half, histogram), often), Query(quantile(most, histogram), seldom, exemplars)]
    return lines(title, about, queries, SECONDS)


def _loop() -> Section:
    return Section(
        "Loop and decisions",
        [
            _quantiles("Loop lag", "How long after the edge it was for a turn began.", "dure_loop_lag_seconds"),
            _quantiles("Turns", "How long turns took.", "dure_loop_turn_duration_seconds"),
            _quantiles(
                "Decisions",
                "How long it took to decide an ask; a dot is one ask, with the id of its request and of its decision.",
                "dure_decision_duration_seconds",
                exemplars=True,
            ),
            lines(
                "Clock",
                "How far the database's clock was from the scheduler's; over 5 s no lease is ended.",
                [Query(f"max(abs(dure_clock_step_seconds)) * {LEADS}", "step")],
                SECONDS,
            ),
        ],
    )


def _database() -> Section:
    return Section(
        "Database and ledger",
        [
            _quantiles("Transactions", "How long transactions took.", "dure_database_transaction_duration_seconds"),
            shades(
                "Connections",
                "Connections to the database, by what they do.",
                Query(state("dure_database_connections"), "{{state}}"),
                CONNECTIONS,
            ),
            lines("Size", "What the database takes on disk.", [Query(state("dure_database_size_bytes"), "all")], BYTES),
            shades(
                "Largest tables",
                "What the ten largest tables take on disk.",
                Query(f"topk(10, {state('dure_table_size_bytes')})", "{{table}}"),
                BYTES,
            ),
            lines(
                "Ledger checked",
                "How long ago it was checked that every account adds up.",
                [Query(f"time() - {state('dure_ledger_verified_timestamp_seconds')}", "age of the check")],
                SECONDS,
            ),
            timeline(
                "Database answers",
                "Whether the database answers, as the scheduler that is worst off sees it.",
                Query("min(dure_database_up)", "database"),
                UP,
            ),
        ],
    )
