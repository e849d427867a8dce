"""The part of *Nodes and GPUs* that is about what GPUs do: temperature, throttling, energy, work."""

from collections.abc import Sequence

from deploy.dashboards.asking import Query
from deploy.dashboards.choices import CELSIUS, GPUS, JOULES, RATIO, WATTS
from deploy.dashboards.lines import shades
from deploy.dashboards.links import to
from deploy.dashboards.page import Section
from deploy.dashboards.panels import bars

GPU = 'node=~"$node", gpu=~"$gpu", pool=~"$pool"'
RATE = "$__rate_interval"
BUSY_REASON = 'reason!="gpu_idle"'
HERE = [to("dure-nodes", node="node")]


def sections() -> Sequence[Section]:
    return [_heat(), _work()]


def _heat() -> Section:
    held = f"dure_gpu_throttled_seconds_total{{{GPU}, {BUSY_REASON}}}"
    return Section(
        "Temperature, throttling and energy",
        [
            shades(
                "Temperature",
                "The hottest GPU of each node, for the ten hottest nodes.",
                Query(f"topk(10, max by (node) (dure_gpu_temperature_celsius{{{GPU}}}))", "{{node}}"),
                CELSIUS,
                links=HERE,
            ),
            shades(
                "Room before it slows down",
                "How far the GPU that is closest to its slowdown is from it, for the ten closest nodes.",
                Query(
                    f"bottomk(10, min by (node) (dure_gpu_slowdown_temperature_celsius{{{GPU}}} "
                    f"- dure_gpu_temperature_celsius{{{GPU}}}))",
                    "{{node}}",
                ),
                CELSIUS,
                links=HERE,
            ),
            shades(
                "Held down now",
                "GPUs whose clocks are held down, by reason; idling is not counted.",
                Query(f"sum by (reason) (dure_gpu_throttled{{{GPU}, {BUSY_REASON}}})", "{{reason}}"),
                GPUS,
            ),
            shades(
                "Held down",
                "How many GPUs' worth of time was held down, by reason.",
                Query(f"sum by (reason) (rate({held}[{RATE}]))", "{{reason}}"),
                GPUS,
            ),
            shades(
                "Power",
                "What the GPUs of each pool draw.",
                Query(f"sum by (pool) (dure_gpu_power_watts{{{GPU}}})", "{{pool}}"),
                WATTS,
            ),
            bars(
                "Energy",
                "What the GPUs of each pool drew in the time looked at.",
                [Query(f"sum by (pool) (increase(dure_gpu_energy_joules_total{{{GPU}}}[$__range]))", "{{pool}}")],
                JOULES,
            ),
        ],
    )


def _work() -> Section:
    def of_memory(metric: str) -> str:
        return f"sum by (pool) (dure_gpu_memory_{metric}_bytes{{{GPU}}})"

    return Section(
        "Work",
        [
            shades(
                "Work",
                "Part of the time in which GPUs computed, by pool.",
                Query(f"avg by (pool) (dure_gpu_utilization_ratio{{{GPU}}})", "{{pool}}"),
                RATIO,
            ),
            shades(
                "Memory in use",
                "Part of the memory that is in use, by pool.",
                Query(f"{of_memory('used')} / {of_memory('total')}", "{{pool}}"),
                RATIO,
            ),
        ],
    )
