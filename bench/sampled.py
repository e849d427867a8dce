"""`python -m bench.sampled SAMPLES LEAST MOST`: samples as an agent's thread does, second after second of a clock of its own.

It prints the processor time of a sample, as the mean of so many, and what it keeps after LEAST and after MOST of them.
"""

import gc
import json
import sys
import time

from agents import events, stages
from agents.allocations import Allocations, Held
from agents.nvml import NvmlDriver
from agents.sampler import Sampler
from agents.settings import Settings
from bench.resident import own_mib

WARM = 50


class Seconds:
    """A clock that says one second more with every sample: what is asked every ten seconds is asked with every tenth."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at


def main() -> None:
    samples, least, most = (int(argument) for argument in sys.argv[1:4])
    clock = Seconds()
    driver = NvmlDriver(sees_processes=True, monotonic=clock.monotonic)
    made = stages.made(Settings(), events.forget, host_boot=None)
    sampler = Sampler(driver, sample_s=1, stages=made.in_order, monotonic=clock.monotonic)
    sampler.follow(_leased(driver))
    _take(sampler, clock, WARM)
    began = time.process_time()
    _take(sampler, clock, samples)
    cpu_ms = (time.process_time() - began) * 1000 / samples
    _take(sampler, clock, max(0, least - samples - WARM))
    early = _kept()
    _take(sampler, clock, most - max(least, samples + WARM))
    print(json.dumps({"cpu_ms": cpu_ms, "early": early, "late": _kept()}))


def _leased(driver: NvmlDriver) -> Allocations:
    """Every GPU is in a lease that runs all the while, as on a node that is paid for."""
    return Allocations(
        items=tuple(
            Held(
                allocation=f"alo_{gpu.index}",
                gpu=gpu.uuid,
                lease="lea_1",
                company="acme",
                starts_at=0.0,
                stops_at=1e9,
                ended=False,
            )
            for gpu in driver.read().gpus
        )
    )


def _kept() -> dict[str, float]:
    """Resident memory, and how many blocks Python itself holds: what of the first is only the allocator's does not show in the second."""
    gc.collect()
    return {"mib": own_mib(), "blocks": sys.getallocatedblocks()}


def _take(sampler: Sampler, clock: Seconds, count: int) -> None:
    for _ in range(count):
        clock.at += 1
        sampler.step()


if __name__ == "__main__":
    main()
