"""A small openb trace on disk, with the real one's names and columns."""

import gzip
from collections.abc import Sequence
from pathlib import Path

NODES = (("n0", 32_000, 65_536, 4, "T4"), ("n1", 32_000, 65_536, 4, "T4"), ("n2", 64_000, 131_072, 8, "G2"))
TASKS = (
    ("t0", 4_000, 8_192, 1, 1000, ""),
    ("t1", 4_000, 8_192, 1, 470, "T4"),
    ("t2", 8_000, 8_192, 8, 1000, "T4|G2"),
    ("t3", 2_000, 4_096, 0, 0, ""),
)

Values = tuple[str | int, ...]

NODE_COLUMNS = "sn,cpu_milli,memory_mib,gpu,model"
TASK_COLUMNS = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec"


def written(
    data: Path,
    *,
    nodes: Sequence[Values] = NODES,
    tasks: Sequence[Values] = TASKS,
    columns: str = TASK_COLUMNS,
    mix: str = "default",
) -> Path:
    """The folder of data, with `openb/` in it."""
    openb = data / "openb"
    openb.mkdir(exist_ok=True)
    (openb / "openb_node_list_gpu_node.csv").write_text(_csv(NODE_COLUMNS, nodes))
    (openb / f"openb_pod_list_{mix}.csv.gz").write_bytes(gzip.compress(_csv(columns, tasks).encode()))
    return data


def _csv(columns: str, rows: Sequence[Values]) -> str:
    return "\n".join([columns, *(",".join(map(str, row)) for row in rows), ""])
