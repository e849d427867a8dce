"""The cluster and the tasks of the openb trace, as arrays of whole numbers. Read only: nothing is drawn or decided here.

Nodes and tasks are those of Alibaba's cluster-trace-gpu-v2023; see the folder's README for where they are from.
"""

import csv
import gzip
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.int64]

WHOLE = 1000
"""A whole GPU, in thousandths."""

CPU, MEMORY, GPUS, MILLI, MODELS = range(5)
"""The columns of a task: milli-CPUs, MiB, how many GPUs, how much of each in thousandths, allowed models as bits."""

NODES = "openb_node_list_gpu_node.csv"
PREFIX, SUFFIX = "openb_pod_list_", ".csv.gz"


class Unreadable(Exception):
    """The trace is not there, or a line of it is not what it must be. The message is a sentence for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One entry a node; `model` is the place of its GPU model in `models`."""

    cpu: Table
    memory: Table
    gpus: Table
    model: Table
    models: tuple[str, ...]

    @property
    def milli(self) -> int:
        """All GPUs, in thousandths."""
        return int(self.gpus.sum()) * WHOLE


def folder(data: Path) -> Path:
    """Where the trace is under the folder of data; raises `Unreadable` when it is not there."""
    found = data / "openb"
    if not (found / NODES).is_file():
        raise Unreadable(
            f"the openb trace is not in {found}: it needs {NODES} and {PREFIX}*{SUFFIX} of Alibaba's "
            "cluster-trace-gpu-v2023; say where the folder of data is with --data or DURE_DATA"
        )
    return found


def mixes(openb: Path) -> list[str]:
    """The names of the task lists that are there: `default`, `cpu250`, ..."""
    return sorted(path.name[len(PREFIX) : -len(SUFFIX)] for path in openb.glob(f"{PREFIX}*{SUFFIX}"))


def cluster(openb: Path) -> Cluster:
    """All nodes with GPUs, in the order of the file."""
    rows = list(_rows(openb / NODES))
    models = tuple(sorted({row["model"] for _, row in rows}))

    def column(name: str) -> Table:
        return np.array([_number(row, name, where) for where, row in rows], np.int64)

    return Cluster(
        cpu=column("cpu_milli"),
        memory=column("memory_mib"),
        gpus=column("gpu"),
        model=np.array([models.index(row["model"]) for _, row in rows], np.int64),
        models=models,
    )


def tasks(openb: Path, mix: str, models: tuple[str, ...]) -> Table:
    """One row a task, with the columns named above."""
    path = openb / f"{PREFIX}{mix}{SUFFIX}"
    if not path.is_file():
        raise Unreadable(f"there is no mix {mix!r} in {openb}: there are {', '.join(mixes(openb))}")
    found = [_task(row, where, models) for where, row in _rows(path)]
    if not any(gpus for _, _, gpus, _, _ in found):
        raise Unreadable(f"{path.name} has no task that asks for a GPU")
    return np.array(found, np.int64)


def _task(row: Mapping[str, str], where: str, models: tuple[str, ...]) -> tuple[int, int, int, int, int]:
    gpus = _number(row, "num_gpu", where)
    milli = _number(row, "gpu_milli", where) if gpus else 0
    if gpus and not (milli == WHOLE or (gpus == 1 and 0 < milli < WHOLE)):
        raise Unreadable(f"{where}: {gpus} GPUs of {milli} thousandths each; one GPU of 1 to 1000, or several of 1000")
    named = [name for name in (row.get("gpu_spec") or "").split("|") if name]
    allowed = sum(1 << k for k, name in enumerate(models) if not named or name in named)
    return _number(row, "cpu_milli", where), _number(row, "memory_mib", where), gpus, milli, allowed


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Every row, with where it is in the file."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        lines = csv.DictReader(io.StringIO(raw.decode()))
        for row in lines:
            yield f"{path.name} line {lines.line_num}", row
    except (OSError, EOFError, UnicodeDecodeError) as cause:
        raise Unreadable(f"{path} cannot be read: {cause}") from cause


def _number(row: Mapping[str, str], name: str, where: str) -> int:
    value = row.get(name)
    if value is None:
        raise Unreadable(f"{where}: the column {name} is missing")
    if not value.isascii() or not value.isdigit():
        raise Unreadable(f"{where}: {name} is {value!r}, not a whole number such as 1000")
    return int(value)
