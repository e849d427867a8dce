"""*Companies*: who holds what beside its share and budget, who waits, and who leaves what it holds idle."""

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.dashboards import variables
from deploy.dashboards.asking import Query
from deploy.dashboards.choices import (
    ANY_IS_BAD,
    COMPANIES,
    GPU_SECONDS,
    GPUS,
    IDLE,
    INSTANT,
    LEFT,
    RATIO,
    WATTS,
)
from deploy.dashboards.lines import shades, states
from deploy.dashboards.links import to, to_cell
from deploy.dashboards.page import Section, page
from deploy.dashboards.panels import bars, live, number
from deploy.dashboards.series import pace, rise, state
from deploy.dashboards.tables import Column, grid
from deploy.dashboards.told import or_nothing, or_zero

BOTH = 'company=~"$company", pool=~"$pool"'
EACH = "by (company, pool)"
USED = "dure_lease_gpu_seconds_total"
LEFT_PART = f"{state('dure_budget_left_gpu_seconds', BOTH)} / ({state('dure_budget_gpu_seconds', BOTH)} > 0)"
HERE = [to("dure-companies", company="company")]


def made() -> Dashboard:
    return page(
        "dure-companies",
        "What each company holds, waits for and uses, beside what it is entitled to.",
        choices=[variables.pool(), variables.company()],
        numbers=[
            live(),
            number(
                "Companies at work",
                "Companies that hold GPUs now.",
                or_zero(f"count(sum by (company) ({_gpus('held')}) > 0)"),
                COMPANIES,
            ),
            _now("held", "Held", "GPUs that they hold now."),
            _now("booked", "Booked", "GPUs of leases that are promised and have not started."),
            _now("queued", "Waiting", "GPUs that they asked for and have no promise of yet."),
            number(
                "Idle",
                "Part of the measured time in which leased GPUs did nothing, in the time looked at.",
                or_nothing(_idle()),
                RATIO,
                steps=IDLE,
            ),
            number(
                "Lost by us",
                "GPU-seconds of leases that we could not give and refund, in the time looked at.",
                or_zero(f"sum({rise(USED, _kind('lost'))})"),
                GPU_SECONDS,
                steps=ANY_IS_BAD,
            ),
            number(
                "Least budget",
                "What is left of the budget of the company that has least left of it.",
                or_nothing(f"min({LEFT_PART})"),
                RATIO,
                steps=LEFT,
            ),
        ],
        sections=[_all(), _share(), _use()],
    )


def _now(what: str, title: str, about: str) -> stat.Panel:
    return number(title, about, or_zero(f"sum({_gpus(what)})"), GPUS)


def _gpus(what: str) -> str:
    return state("dure_company_gpus", f'{BOTH}, state="{what}"')


def _kind(kind: str) -> str:
    return f'{BOTH}, kind=~"{kind}"'


def _idle() -> str:
    def meanwhile(kind: str) -> str:
        return f"sum({rise(USED, _kind(kind))})"

    return f"{meanwhile('idle')} / ({meanwhile('busy|idle')} > 0)"


def _all() -> Section:
    columns = [
        Column(title="May hold", expression=state("dure_quota_gpus", BOTH), unit=GPUS),
        *(
            Column(title=title, expression=f"sum {EACH} ({_gpus(what)})", unit=GPUS)
            for title, what in (("Holds", "held"), ("Booked", "booked"), ("Waits for", "queued"))
        ),
        Column(title="Entitled", expression=state("dure_share_entitled_ratio", BOTH), unit=RATIO),
        Column(title="Had", expression=state("dure_share_used_ratio", BOTH), unit=RATIO),
        Column(title="Budget left", expression=LEFT_PART, unit=RATIO, steps=LEFT),
        Column(
            title="Period ends",
            expression=f"{state('dure_budget_period_end_timestamp_seconds', BOTH)} * 1000",
            unit=INSTANT,
        ),
    ]
    about = "What each company may hold, holds and waits for, its share of the pool and its budget."
    return Section(
        "All of them",
        [
            grid(
                "Companies",
                about,
                columns,
                sort_by="Holds",
                links={
                    "company": [to_cell("dure-companies", company="company"), to_cell("dure-lease", company="company")]
                },
            )
        ],
    )


def _share() -> Section:
    used = state("dure_share_used_ratio", BOTH)
    ratio = f"{used} / ({state('dure_share_entitled_ratio', BOTH)} > 0)"
    return Section(
        "Share and budget",
        [
            bars(
                "Had beside entitled",
                "Recent use as a multiple of what a company is entitled to; those above 1 are served after the others.",
                [Query(f"topk(20, {ratio})", "{{company}} in {{pool}}")],
                "suffix:x",
                links=HERE,
            ),
            bars(
                "Budget left",
                "What is left of the budget of this period, least first; no bar where there is no budget.",
                [Query(f"bottomk(20, {LEFT_PART})", "{{company}} in {{pool}}")],
                RATIO,
                steps=LEFT,
                most=1,
                links=HERE,
            ),
            shades(
                "Share of the pool had",
                "Recent use as part of what the pool gave, for the ten that had most.",
                Query(f"topk(10, {used})", "{{company}} in {{pool}}"),
                RATIO,
                links=HERE,
            ),
            shades(
                "Committed",
                "GPU-seconds of promises that are not settled yet, for the ten with most.",
                Query(f"topk(10, {state('dure_ledger_committed_gpu_seconds', BOTH)})", "{{company}} in {{pool}}"),
                GPU_SECONDS,
                links=HERE,
            ),
        ],
    )


def _use() -> Section:
    def most(what: str) -> Query:
        return Query(f"topk(10, sum by (company) ({_gpus(what)}))", "{{company}}")

    rate = f"sum by (kind) ({pace(USED, _kind('busy|idle|lost'))})"
    idle, busy = (f"sum by (company) ({rise(USED, _kind(kind))})" for kind in ("idle", "busy|idle"))
    return Section(
        "Use",
        [
            shades("Held", "GPUs held, for the ten that hold most.", most("held"), GPUS, links=HERE),
            shades("Waiting", "GPUs waited for, for the ten that wait for most.", most("queued"), GPUS, links=HERE),
            states(
                "Busy, idle and lost",
                "Leased GPUs that worked, that did nothing, and that we could not give.",
                Query(rate, "{{kind}}"),
                GPUS,
                ("busy", "idle", "lost"),
            ),
            bars(
                "Idle",
                "Part of the measured time in which a company's GPUs did nothing, most first, in the time looked at.",
                [Query(f"topk(20, {idle} / ({busy} > 0))", "{{company}}")],
                RATIO,
                steps=IDLE,
                most=1,
                links=HERE,
            ),
            shades(
                "Power",
                "What the GPUs of each company's leases drew, for the ten that drew most.",
                Query(
                    f"topk(10, sum by (company) ({pace('dure_lease_energy_joules_total', BOTH)}))",
                    "{{company}}",
                ),
                WATTS,
                links=HERE,
            ),
        ],
    )
