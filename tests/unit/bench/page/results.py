"""Kept results, in short."""

from collections.abc import Sequence

from bench.page.kept import Kept
from bench.results import Row, Value


def a_result(measure: str, *rows: Row, at: int = 0, load: float = 0.5, **settings: Value) -> Kept:
    """`at` is the day of the month it was measured."""
    return Kept(
        name=f"202611{at:02}T000000Z-{measure}",
        measure=measure,
        at=f"2026-11-{at:02}T00:00:00+00:00",
        commit="abc1234",
        machine={"cores": 2, "memory_gib": 24, "processor": "P", "python": "3.11.7", "load_before": load},
        settings=settings,
        rows=rows,
        notes={},
    )


def a_replay(log: str, ratio: float, *, boxes: str = "exact", broken: int = 0, at: int = 1, load: float = 0.5) -> Kept:
    row = {
        "jobs": 1000,
        "promises_broken": broken,
        "worst_lateness_s": broken * 7,
        "ratio_to_easy": ratio,
        "median_slack_s": 12.0,
        "decisions_per_s": 1234.5,
    }
    slack = {"exact": 0.05, "asked": 0.5}[boxes]
    said: dict[str, Value] = {"log": f"{log}.swf.gz", "boxes": boxes, "rule": "late-slots", "slack": slack}
    return a_result("replay", row, at=at, load=load, **said)


def replays(*ratios: float, boxes: str = "exact") -> Sequence[Kept]:
    """Of the three logs."""
    logs = ("CTC-SP2", "KTH-SP2", "SDSC-SP2")
    return [a_replay(log, ratio, boxes=boxes) for log, ratio in zip(logs, ratios, strict=True)]
