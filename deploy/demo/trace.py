"""The jobs that are played: an excerpt of the Philly trace, a minute of it played as a second."""

import csv
from dataclasses import dataclass
from pathlib import Path

PHILLY = Path(__file__).parent / "philly"
NODES_TO_QUOTA = 4
"""A virtual cluster of so many 8-GPU nodes is a company that may hold one GPU at once; two at the least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job of the trace; a minute of it is a second here."""

    id: str
    company: str
    gpus: int
    submit_s: int
    duration_s: int


def jobs(until_s: int | None = None) -> list[Job]:
    """In the order of their submission, the first at 0; only those submitted before `until_s` where it is given."""
    with (PHILLY / "jobs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    first = min(int(row["submit_minute"]) for row in rows)
    found = [
        Job(
            id=row["job_id"],
            company=company(row["vc"]),
            gpus=int(row["num_gpu"]),
            submit_s=int(row["submit_minute"]) - first,
            duration_s=int(row["duration_minutes"]),
        )
        for row in rows
    ]
    return [job for job in found if until_s is None or job.submit_s < until_s]


def quotas() -> dict[str, int]:
    """GPUs that each company may hold at once, after the size of its virtual cluster."""
    with (PHILLY / "virtual_clusters.csv").open(newline="") as file:
        return {company(row["vc"]): max(2, int(row["nodes"]) // NODES_TO_QUOTA) for row in csv.DictReader(file)}


def company(virtual_cluster: str) -> str:
    """A company's name begins with a letter; a virtual cluster's label may not."""
    return f"vc-{virtual_cluster}"
