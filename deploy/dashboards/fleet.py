"""*Fleet now*: what is free, held, sick and draining, and what starts and ends next."""

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.dashboards import variables
from deploy.dashboards.asking import Query
from deploy.dashboards.choices import (
    ANY_IS_BAD,
    ANY_IS_WORTH_A_LOOK,
    CASES,
    FROM_NOW,
    GPUS,
    GREEN,
    INSTANT,
    LEASES,
    NODES,
    PLAIN,
)
from deploy.dashboards.lines import lines, stack, states
from deploy.dashboards.links import to, to_cell
from deploy.dashboards.page import Section, page
from deploy.dashboards.panels import bars, live, number
from deploy.dashboards.series import state
from deploy.dashboards.tables import Column, grid
from deploy.dashboards.told import or_nothing, or_zero

POOL = 'pool=~"$pool"'
DRAINING = f'{POOL}, state="draining"'
GPU_STATES = ("free", "draining", "leased", "cleaning", "quarantined", "unhealthy", "unknown", "unpooled")
NODE_STATES = ("ok", "draining", "enrolled", "unknown")


def made() -> Dashboard:
    return page(
        "dure-fleet",
        "What every GPU is doing now, and what happens next.",
        choices=[variables.pool()],
        numbers=[
            live(),
            number("Free", "GPUs that a lease could start on now.", _gpus("free"), GPUS, links=[to("dure-promises")]),
            number("Held", "GPUs that leases hold now.", _gpus("leased"), GPUS, links=[to("dure-companies")]),
            number(
                "Sick",
                "GPUs that are unhealthy, or quarantined until they are proved empty.",
                _gpus("unhealthy|quarantined"),
                GPUS,
                steps=ANY_IS_BAD,
                links=[to("dure-nodes")],
            ),
            number(
                "Not heard of",
                "GPUs of nodes whose agents are silent: nothing starts on them, and what runs there goes on.",
                _gpus("unknown"),
                GPUS,
                steps=ANY_IS_BAD,
                links=[to("dure-nodes")],
            ),
            number(
                "Draining",
                "Nodes that are being emptied, on which nothing starts any more.",
                or_zero(f"sum({state('dure_nodes', DRAINING)})"),
                NODES,
                steps=ANY_IS_WORTH_A_LOOK,
                links=[to("dure-nodes")],
            ),
            _next("start", "Next start", "When the next lease starts."),
            _next("end", "Next end", "When the next lease ends."),
        ],
        sections=[_gpus_section(), _next_section(), _wrong_section()],
    )


def _gpus(what: str, *, by: str = "") -> str:
    """How many are in that state, or in one of those."""
    told = state("dure_gpus", f'{POOL}, state=~"{what}"')
    return f"sum by ({by}) ({told})" if by else f"sum({told})"


def _next(edge: str, title: str, about: str) -> stat.Panel:
    first = state("dure_edge_next_timestamp_seconds", f'{POOL}, edge="{edge}"')
    return number(title, about, or_nothing(f"min({first}) * 1000"), FROM_NOW)


def _gpus_section() -> Section:
    by_state = f"sum by (state) ({state('dure_gpus', POOL)})"
    by_node_state = f"sum by (state) ({state('dure_nodes', POOL)})"
    leases = state("dure_leases", f'{POOL}, state=~"queued|scheduled|active|ending"')
    columns = [
        Column(title=title, expression=_gpus(what, by="pool"), unit=GPUS, steps=steps)
        for title, what, steps in (
            ("Free", "free", ((None, GREEN),)),
            ("Draining", "draining", PLAIN),
            ("Held", "leased", PLAIN),
            ("Being emptied", "cleaning", PLAIN),
            ("Quarantined", "quarantined", ANY_IS_BAD),
            ("Unhealthy", "unhealthy", ANY_IS_BAD),
            ("Not heard of", "unknown", ANY_IS_BAD),
        )
    ]
    about = "What the GPUs of each pool are doing now."
    return Section(
        "GPUs",
        [
            stack("GPUs by state", "What all GPUs were doing.", Query(by_state, "{{state}}"), GPUS, GPU_STATES),
            grid("Pools", about, columns, sort_by="Free", links={"pool": [to_cell("dure-promises", pool="pool")]}),
            states(
                "Nodes by state",
                "Nodes that answer, are being emptied, have never reported, or are silent.",
                Query(by_node_state, "{{state}}"),
                NODES,
                NODE_STATES,
            ),
            states(
                "Leases by state",
                "Asks that wait, leases that are promised, run, or are being ended.",
                Query(f"sum by (state) ({leases})", "{{state}}"),
                LEASES,
                ("queued", "scheduled", "active", "ending"),
            ),
        ],
    )


def _next_section() -> Section:
    def times(at: str) -> str:
        return state("dure_lease_timestamp_seconds", f'at="{at}"')

    def gpus(edge: str, within: str) -> str:
        return state("dure_gpus_due", f'{POOL}, edge="{edge}", within="{within}"')

    due = [
        Query(
            f"sum({gpus(edge, within)})",
            f"{'starting' if edge == 'start' else 'ending'} within {within}",
        )
        for edge in ("start", "end")
        for within in ("15m", "1h", "24h")
    ]
    leases = state("dure_lease_info", f'{POOL}, state=~"scheduled|active"')
    columns = [
        Column(
            title=title,
            expression=f"max by (lease, company, pool, state) ({leases} * on (lease) group_left () {times(at)}) * 1000",
            unit=INSTANT,
        )
        for title, at in (("Starts", "starts"), ("Ends", "ends"))
    ]
    return Section(
        "Next",
        [
            bars("GPUs that change hands", "GPUs of leases that start or end within so long.", due, GPUS),
            grid(
                "Leases that run or are promised",
                "When each starts and ends, the next to end first.",
                columns,
                sort_by="Ends",
                descending=False,
                links={"lease": [to_cell("dure-lease", lease="lease")]},
            ),
        ],
    )


def _wrong_section() -> Section:
    wrong = [
        Query(f"sum({state('dure_leases_overdue', POOL)})", "leases past their end"),
        Query(f"sum({state('dure_leases_degraded', POOL)})", "leases without some of their GPUs"),
        Query(or_zero(f"sum({state('dure_gpus_unproved', POOL)})"), "GPUs not proved empty"),
        Query(or_zero(f"sum({state('dure_violations', POOL)})"), "on a GPU without a lease"),
        Query(or_zero(f"sum({state('dure_pools_unserved', POOL)})"), "pools that nobody enforces"),
    ]
    return Section(
        "What should be zero",
        [lines("Wants somebody", "Each of these wants an operator when it stays above zero.", wrong, CASES)],
    )
