"""*Nodes and GPUs*: health, XIDs, temperature, throttling, energy. The agents tell most of it, also while the scheduler is away."""

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.dashboards import nodes_load, variables
from deploy.dashboards.asking import Query
from deploy.dashboards.choices import (
    A_SECOND,
    ANY_IS_BAD,
    ANY_IS_WORTH_A_LOOK,
    BYTES,
    CASES,
    CELSIUS,
    GPUS,
    HEALTH,
    NODES,
    SECONDS,
    SILENCE,
    STATE,
    TIMES,
    WARM,
    WATTS,
    XID,
    Steps,
)
from deploy.dashboards.lines import lines, shades
from deploy.dashboards.links import to, to_cell
from deploy.dashboards.page import Section, page
from deploy.dashboards.panels import bars, live, number, timeline
from deploy.dashboards.series import counted, state
from deploy.dashboards.tables import Column, grid
from deploy.dashboards.told import AGENTS, or_zero

NODE = 'node=~"$node"'
GPU = 'node=~"$node", gpu=~"$gpu", pool=~"$pool"'
HEALTH_OF = (
    f'sum by (node, gpu) (dure_gpu_health{{{GPU}, state="suspect"}}) '
    f'+ 2 * sum by (node, gpu) (dure_gpu_health{{{GPU}, state="unhealthy"}})'
)
RATE = "$__rate_interval"
HERE = [to("dure-nodes", node="node")]


def made() -> Dashboard:
    return page(
        "dure-nodes",
        "How nodes and GPUs are: whether their agents answer, whether the GPUs are well, hot, held down, and what they draw.",
        choices=[variables.pool(), variables.node(), variables.gpu()],
        numbers=[
            live(),
            number(
                "Agents that answer", "Agents that are scraped now.", f"count(dure_agent_build_info{{{NODE}}})", NODES
            ),
            number(
                "Longest silence",
                "How long ago the node that has been silent longest reported to the scheduler.",
                f"max({state('dure_node_report_age_seconds', NODE)})",
                SECONDS,
                steps=SILENCE,
            ),
            _in_state(
                "suspect", "GPUs that may be sick: what runs on them goes on, nothing starts.", ANY_IS_WORTH_A_LOOK
            ),
            _in_state("unhealthy", "GPUs that are sick, by XIDs, errors or silence.", ANY_IS_BAD),
            number(
                "Without a lease",
                "Processes and pods on a GPU that no lease explains.",
                f"sum(dure_gpu_violations{{{GPU}}})",
                CASES,
                steps=ANY_IS_BAD,
            ),
            number("Hottest", "The hottest GPU.", f"max(dure_gpu_temperature_celsius{{{GPU}}})", CELSIUS, steps=WARM),
            number("Power", "What all GPUs draw together.", f"sum(dure_gpu_power_watts{{{GPU}}})", WATTS),
        ],
        sections=[_health(), *nodes_load.sections(), _agents()],
    )


def _in_state(state: str, about: str, steps: Steps) -> stat.Panel:
    return number(state.capitalize(), about, f'sum(dure_gpu_health{{{GPU}, state="{state}"}})', GPUS, steps=steps)


def _health() -> Section:
    def of_sick(expression: str) -> str:
        return f"max by (node, gpu) ({expression}) and on (node, gpu) ({HEALTH_OF} > 0)"

    columns = [
        Column(title="Health", expression=f"{HEALTH_OF} > 0", unit=STATE, words=HEALTH),
        Column(title="Last XID", expression=of_sick(f"dure_gpu_last_xid{{{GPU}}}"), unit=XID),
        Column(
            title="Temperature", expression=of_sick(f"dure_gpu_temperature_celsius{{{GPU}}}"), unit=CELSIUS, steps=WARM
        ),
        Column(title="ECC errors", expression=of_sick(f"dure_gpu_ecc_uncorrected_errors_total{{{GPU}}}"), unit=TIMES),
    ]
    xids = or_zero(f"sum by (xid) ({counted('dure_gpu_xids_total', GPU)})", label="xid", knows=AGENTS)
    wrong = [
        Query(or_zero(f"sum(dure_gpu_lost{{{GPU}}})", knows=AGENTS), "GPUs that do not answer"),
        Query(f"sum({counted('dure_gpu_ecc_uncorrected_errors_total', GPU)})", "uncorrected ECC errors"),
        Query(f"sum(dure_gpu_row_remap_pending{{{GPU}}})", "GPUs to be reset for a row"),
        Query(f"sum(dure_gpu_row_remap_failed{{{GPU}}})", "GPUs with a row that is lost"),
        Query(f'sum(dure_gpu_nvlinks{{{GPU}, state!="active"}})', "NVLinks that are down"),
    ]
    return Section(
        "Health",
        [
            timeline(
                "Health of the worst",
                "The health of the 40 GPUs that were worst at each instant.",
                Query(f"topk(40, {HEALTH_OF})", "{{node}} {{gpu}}"),
                HEALTH,
            ),
            grid(
                "Sick now",
                "The GPUs that are suspect or unhealthy now; ECC errors since the driver was loaded that were not corrected.",
                columns,
                sort_by="Health",
                links={
                    "gpu": [to_cell("dure-nodes", node="node", gpu="gpu")],
                    "node": [to_cell("dure-nodes", node="node")],
                },
                empty="none, or nobody tells",
            ),
            bars("XIDs", "Critical XIDs in the time looked at, by number.", [Query(xids, "XID {{xid}}")], TIMES),
            lines(
                "What should be zero",
                "Signs of hardware that fails; ECC errors are those of as long before as the time looked at.",
                wrong,
                CASES,
            ),
        ],
    )


def _agents() -> Section:
    def longest(metric: str) -> Query:
        return Query(f"topk(10, max by (node) ({metric}{{{NODE}}}))", "{{node}}")

    silent = Query(f"topk(10, {state('dure_node_report_age_seconds', NODE)})", "{{node}}")

    about = "How long ago each node reported, as the scheduler knows it, for the ten most silent."
    return Section(
        "Agents",
        [
            shades("Silence", about, silent, SECONDS, links=HERE),
            shades(
                "Age of readings",
                "How long ago the GPUs of each node answered their agent, for the ten longest.",
                longest("dure_agent_snapshot_age_seconds"),
                SECONDS,
                links=HERE,
            ),
            shades(
                "Reports",
                "Reports that agents sent, by what came of them.",
                Query(f"sum by (outcome) (rate(dure_agent_reports_total{{{NODE}}}[{RATE}]))", "{{outcome}}"),
                A_SECOND,
            ),
            shades(
                "Untold events",
                "Room that events take on disk until they are told, for the ten nodes with most.",
                longest("dure_agent_spool_bytes"),
                BYTES,
                links=HERE,
            ),
            shades(
                "Clocks",
                "How far clocks of nodes are from the allocator's, for the ten farthest; they decide nothing.",
                Query(f"topk(10, max by (node) (abs(dure_agent_clock_offset_seconds{{{NODE}}})))", "{{node}}"),
                SECONDS,
                links=HERE,
            ),
        ],
    )
