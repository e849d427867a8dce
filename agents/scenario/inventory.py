"""A fleet from a list of real nodes: CSV with the columns gpu_model, gpu_capacity_num, cpu_num and node_name, as cluster traces have it.

What is alike is one group, so their nodes are called anew, by number. GPUs are named as the list names them; memory and watts
come from what is known of the product.
"""

import csv
from collections import Counter
from pathlib import Path

from agents.scenario.fleet import NodeGroup
from agents.scenario.products import known

COLUMNS = ("gpu_model", "gpu_capacity_num", "node_name")


def groups(path: Path) -> tuple[NodeGroup, ...]:
    """In the order in which the list first has each. Raises OSError, and ValueError with the line that is wrong."""
    counted: Counter[tuple[str, int]] = Counter()
    with path.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines)
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
        if missing:
            raise ValueError(f"the first line names no column {missing[0]}: there have to be {', '.join(COLUMNS)}")
        for row in rows:
            gpus = row["gpu_capacity_num"] or ""
            if not gpus.isdecimal():
                raise ValueError(f"line {rows.line_num}: gpu_capacity_num is {gpus!r}, and has to be a number")
            counted[row["gpu_model"], int(gpus)] += 1
    return tuple(_group(model, gpus, count) for (model, gpus), count in counted.items())


def _group(model: str, gpus: int, count: int) -> NodeGroup:
    product = known(model)
    return NodeGroup(
        count=count,
        product=model,
        gpus=gpus,
        memory_gib=product.memory_gib,
        idle_watts=product.idle_watts,
        full_watts=product.full_watts,
    )
