"""*Promises*: how late leases start and end, how much room there is before a promise breaks, who waits, how well starts are foreseen."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.dashboards import variables
from deploy.dashboards.asking import Query
from deploy.dashboards.choices import (
    A_SECOND,
    ANY_IS_BAD,
    GPUS,
    KEPT,
    LATE,
    LEASES,
    RATIO,
    SECONDS,
    TIMES,
)
from deploy.dashboards.lines import lines, shades
from deploy.dashboards.links import to
from deploy.dashboards.page import Section, page
from deploy.dashboards.panels import bars, heat, live, number
from deploy.dashboards.series import counted, pace, rise, state
from deploy.dashboards.told import or_nothing, or_zero, quantile

POOL = 'pool=~"$pool"'
STARTS, ENDS = "dure_lease_start_lateness_seconds", "dure_lease_end_lateness_seconds"
FORECASTS = "dure_forecast_error_seconds"
DUE, BROKEN = "dure_promises_due_total", "dure_promises_broken_total"
RATE = "$__rate_interval"


def made() -> Dashboard:
    kept = f"1 - sum({rise(BROKEN, POOL)}) / (sum({rise(DUE, POOL)}) > 0)"
    return page(
        "dure-promises",
        "Whether leases start when it was promised, and whether they will.",
        choices=[variables.pool()],
        numbers=[
            live(),
            number(
                "Promises kept",
                "Part of the promised starts of the time looked at that came within a second of their promise or before it.",
                or_nothing(kept),
                RATIO,
                steps=KEPT,
            ),
            number(
                "Broken",
                "Promised starts of the time looked at that came late, slipped, or never came.",
                f"sum({rise(BROKEN, POOL)})",
                TIMES,
                steps=ANY_IS_BAD,
            ),
            number(
                "Slowest start",
                "How long after its promise the slowest hundredth of leases started.",
                or_nothing(quantile(0.99, STARTS, POOL, over="$__range") + " >= 0"),
                SECONDS,
                steps=LATE,
            ),
            number(
                "Least slack",
                "The least time between where a lease is pencilled in and the latest start that it was promised.",
                or_nothing(f"min({state('dure_promise_slack_seconds', POOL, least=True)})"),
                SECONDS,
            ),
            number(
                "Waiting",
                "GPUs that are asked for and not promised yet.",
                or_zero(f"sum({state('dure_queue_gpus', POOL)})"),
                GPUS,
                links=[to("dure-companies")],
            ),
            number(
                "Longest wait",
                "How long the oldest ask has waited for a promise.",
                or_nothing(f"max({state('dure_queue_oldest_age_seconds', POOL)})"),
                SECONDS,
            ),
            number(
                "Forecast error",
                "How far, at the median, a start was from what was expected when it was asked for.",
                or_nothing(quantile(0.5, FORECASTS, POOL, over="$__range") + " >= 0"),
                SECONDS,
            ),
        ],
        sections=[_lateness(), _ahead(), _changes()],
    )


def _lateness() -> Section:
    return Section(
        "Lateness",
        [
            heat(
                "How late leases started",
                "How many leases started so long after their promise.",
                Query(f"sum by (le) (increase({STARTS}_bucket{{{POOL}}}[{RATE}]))", "{{le}}"),
                SECONDS,
            ),
            lines(
                "How late leases ended",
                "How long after their end leases had ended.",
                [Query(quantile(part, ENDS, POOL), name) for part, name in ((0.5, "half"), (0.99, "slowest of 100"))],
                SECONDS,
            ),
            lines(
                "Promises that came due",
                "Promised starts that came due, and those of them that were broken.",
                [
                    Query(f"sum({pace(DUE, POOL)})", "came due"),
                    Query(f"sum({pace(BROKEN, POOL)})", "broken"),
                ],
                A_SECOND,
            ),
            lines(
                "How far starts were from what was expected",
                "Between the start that was expected at the ask and the real one, either way.",
                [Query(quantile(part, FORECASTS, POOL), name) for part, name in ((0.5, "half"), (0.95, "worst of 20"))],
                SECONDS,
            ),
        ],
    )


def _ahead() -> Section:
    return Section(
        "Ahead",
        [
            shades(
                "Slack",
                "The least time to spare before a promise would break, by pool.",
                Query(state("dure_promise_slack_seconds", POOL, least=True), "{{pool}}"),
                SECONDS,
            ),
            shades(
                "GPUs waited for",
                "GPUs that are asked for and not promised yet, by pool.",
                Query(state("dure_queue_gpus", POOL), "{{pool}}"),
                GPUS,
            ),
            shades(
                "Asks that wait",
                "Asks without a promise, by pool.",
                Query(state("dure_queue_asks", POOL), "{{pool}}"),
                LEASES,
            ),
            shades(
                "Oldest ask",
                "How long the oldest ask of each pool has waited.",
                Query(state("dure_queue_oldest_age_seconds", POOL), "{{pool}}"),
                SECONDS,
            ),
        ],
    )


def _changes() -> Section:
    def by_cause(counter: str) -> list[Query]:
        return [Query(or_zero(f"sum by (cause) ({rise(counter, POOL)}) > 0", label="cause"), "{{cause}}")]

    cut = (
        ("preempted", counted("dure_leases_preempted_total", POOL)),
        ("never started", rise("dure_leases_never_started_total", POOL)),
    )
    return Section(
        "Changes",
        [
            shades(
                "Decisions",
                "What was answered to asks, by outcome and code.",
                Query(
                    f"sum by (outcome, code) (rate(dure_decisions_total{{{POOL}}}[{RATE}]))", "{{outcome}}: {{code}}"
                ),
                A_SECOND,
            ),
            bars(
                "Promises that slipped",
                "Promises that got later or went back to the queue as capacity was lost, by cause, in the time looked at.",
                by_cause("dure_promises_slipped_total"),
                TIMES,
            ),
            bars(
                "Leases moved",
                "Promised leases that got another slot or other nodes, by cause, in the time looked at.",
                by_cause("dure_leases_moved_total"),
                TIMES,
            ),
            bars(
                "Leases cut short",
                "Spot leases that were preempted, and leases that never started, in the time looked at.",
                [Query(or_zero(f"sum({amount})"), name) for name, amount in cut],
                LEASES,
            ),
        ],
    )
