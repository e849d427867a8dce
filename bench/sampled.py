"""`python -m bench.sampled SAMPLES LEAST MOST`: samples as an agent's thread does, second after second of a clock of its own.

It prints the processor time of a sample, as the mean of so many, and its resident memory after LEAST and after MOST of them.
"""

import json
import sys
import time

from agents.health import Judging
from agents.nvml import NvmlDriver
from agents.sampler import Sampler
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
    sampler = Sampler(driver, sample_s=1, stages=[Judging()], monotonic=clock.monotonic)
    _take(sampler, clock, WARM)
    began = time.process_time()
    _take(sampler, clock, samples)
    cpu_ms = (time.process_time() - began) * 1000 / samples
    _take(sampler, clock, max(0, least - samples - WARM))
    early_mib = own_mib()
    _take(sampler, clock, most - max(least, samples + WARM))
    print(json.dumps({"cpu_ms": cpu_ms, "early_mib": early_mib, "late_mib": own_mib()}))


def _take(sampler: Sampler, clock: Seconds, count: int) -> None:
    for _ in range(count):
        clock.at += 1
        sampler.step()


if __name__ == "__main__":
    main()
