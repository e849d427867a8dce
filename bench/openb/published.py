"""What FGD's authors published for the same cluster, mixes and policies: allocated GPUs as tasks arrive, run by run."""

import csv
import gzip
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

FIGURES = "analysis_allo_discrete.csv.gz"

NAMES: Mapping[str, str] = {"random": "01-Random", "bestfit": "05-BestFit", "fgd": "06-FGD"}
"""Our names of their policies. What is ours has no published figure."""


def unallocated(openb: Path, mix: str, policy: str, percent: int) -> float | None:
    """The mean over their runs of the per cent of GPUs free at so many per cent of arrivals; None if it is not published."""
    path = openb / FIGURES
    if not path.is_file():
        return None
    with gzip.open(path, "rt", newline="") as lines:
        allocated = [
            float(row[str(percent)])
            for row in csv.DictReader(lines)
            if row["workload"] == f"openb_pod_list_{mix}"
            and row["sc_policy"] == NAMES.get(policy)
            and row.get(str(percent))
        ]
    return 100 - fmean(allocated) if allocated else None
