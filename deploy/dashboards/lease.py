"""*One lease*: from ask to receipt. What is settled stays true and is shown from the whole time that is looked at."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.dashboards import variables
from deploy.dashboards.asking import Query
from deploy.dashboards.choices import (
    BYTES,
    CELSIUS,
    FROM_NOW,
    GPU_SECONDS,
    GPUS,
    HELD,
    INSTANT,
    LATE,
    LIFE,
    NOT_YET,
    RATIO,
    SECONDS,
    WATTS,
)
from deploy.dashboards.lines import shades, states
from deploy.dashboards.links import to_cell
from deploy.dashboards.page import Section, page
from deploy.dashboards.panels import bars, live, name, number, timeline
from deploy.dashboards.series import state, told_at
from deploy.dashboards.tables import Column, grid
from deploy.dashboards.told import or_nothing

THIS = 'lease="$lease"'
INFO, TIMES, SPENT = "dure_lease_info", "dure_lease_timestamp_seconds", "dure_lease_receipt_gpu_seconds"
CHARGED = 'kind="charged"'
OVER = "ended|cancelled|expired|refused"


def made() -> Dashboard:
    when = told_at(INFO, THIS)
    told = f"max_over_time({when}[$__range:15s])"
    newest = f"topk(1, max by (state) ({when}) or max by (state) ({told}))"
    late = f"{_at('started')} - {_at('promised')}"
    return page(
        "dure-lease",
        "The story of one lease: asked, promised, started, ended, used and charged.",
        choices=[variables.pool(), variables.company(), variables.lease()],
        numbers=[
            live(),
            number(
                "Told of",
                "How long ago the scheduler told of this lease last; it does for 15 minutes after its end.",
                f"time() - max({when} or {told})",
                SECONDS,
            ),
            name("State", "The state in which the lease was told of last.", Query(newest, "{{state}}")),
            name(
                "Whose",
                "The company that asked, the pool, the tier and the purpose.",
                Query(
                    f"max by (company, pool, tier, purpose) ({_known(INFO)})",
                    "{{company}} in {{pool}}: {{tier}} {{purpose}}",
                ),
            ),
            number("Size", "GPUs of the lease.", f"max({_known('dure_lease_gpus')})", GPUS),
            number(
                "Started after its promise",
                "How long after its promise it started; below zero, it started before.",
                or_nothing(late),
                SECONDS,
                steps=LATE,
                words=NOT_YET,
            ),
            number("Ends", "When its box is over.", or_nothing(f"{_at('ends')} * 1000"), FROM_NOW, words=NOT_YET),
            number(
                "Charged",
                "What it cost, once it is over.",
                or_nothing(f"max({_known(SPENT, CHARGED)})"),
                GPU_SECONDS,
                words=NOT_YET,
            ),
        ],
        sections=[_story(), _work()],
        since="now-24h",
    )


def _known(metric: str, more: str = "") -> str:
    """What was told last in the time that is looked at, and by whoever did: what a former leader told last may be so no more."""
    told = state(metric, ", ".join(filter(None, (THIS, more))))
    return f"({told} or last_over_time({told}[$__range:15s]))"


def _in(states_: str) -> str:
    return state(INFO, f'{THIS}, state=~"{states_}"')


def _at(edge: str) -> str:
    at = f'at="{edge}"'
    return f"max({_known(TIMES, at)})"


def _story() -> Section:
    life = " or ".join(
        f"{number:g} * max({_in(OVER if word.text == 'ended' else word.text)})" for number, word in LIFE.items()
    )
    spent = state(SPENT, f'{THIS}, kind=~"busy|idle|leased|lost"')
    when = [Column(title="When", expression=f"max by (at) ({_known(TIMES)}) * 1000", unit=INSTANT)]
    return Section(
        "Its story",
        [
            timeline("State", "The states that it went through.", Query(life, "the lease"), LIFE),
            grid(
                "Times", "When it was asked for, promised, started and ended.", when, sort_by="When", descending=False
            ),
            bars(
                "Receipt",
                "GPU-seconds that it was leased, that it worked, idled and lost, and what is committed, charged and refunded.",
                [Query(f"max by (kind) ({_known(SPENT)})", "{{kind}}")],
                GPU_SECONDS,
            ),
            states(
                "Use so far",
                "GPU-seconds as they add up: those in which its GPUs worked, did nothing, or were lost by us.",
                Query(f"max by (kind) ({spent})", "{{kind}}"),
                GPU_SECONDS,
                ("leased", "busy", "idle", "lost"),
            ),
        ],
    )


def _work() -> Section:
    holds = f"max by (node, gpu) (dure_gpu_holder_info{{{THIS}}})"

    def of_its(metric: str) -> Query:
        return Query(f"max by (node, gpu) ({metric}) * on (node, gpu) {holds}", "{{node}} {{gpu}}")

    where = f"max by (node, gpu, namespace, pod) (last_over_time(dure_gpu_holder_info{{{THIS}}}[$__range]))"
    links = {"node": [to_cell("dure-nodes", node="node")], "gpu": [to_cell("dure-nodes", node="node", gpu="gpu")]}
    return Section(
        "Its GPUs",
        [
            grid(
                "GPUs",
                "The GPUs that it had in the time looked at, and the pods that used them.",
                [Column(title="Held", expression=where, unit=GPUS, words=HELD)],
                sort_by="node",
                descending=False,
                links=links,
            ),
            shades("Work", "Part of the time in which each GPU computed.", of_its("dure_gpu_utilization_ratio"), RATIO),
            shades("Memory", "Memory in use on each GPU.", of_its("dure_gpu_memory_used_bytes"), BYTES),
            shades("Power", "What each GPU draws.", of_its("dure_gpu_power_watts"), WATTS),
            shades("Temperature", "How hot each GPU is.", of_its("dure_gpu_temperature_celsius"), CELSIUS),
        ],
    )
