"""What the probes say of Slurm's estimates."""

from bench.slurm import truth
from bench.slurm.truth import Probe


def test_a_row_counts_what_came_true_and_what_was_too_early() -> None:
    late_s = [0, 60, -61, 601, 3_600, 3_601, 7_200, -238_847]
    found = truth.row("a queue", [Probe(said=1_000_000, planned=1_000_000 + one) for one in late_s])
    counted = {name: found[name] for name in list(found)[:6]}
    assert counted == {
        "queue": "a queue",
        "probes": 8,
        "within 1 min": 2,
        "early by over 10 min": 4,
        "early by over 1 h": 2,
        "late by over 10 min": 1,
    }
    assert (found["p50 min"], found["most min"]) == (1.0, 120.0)
