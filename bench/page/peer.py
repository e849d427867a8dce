"""Slurm and we in one run of the whole size."""

from collections.abc import Mapping, Sequence

from bench import compared
from bench.page.kept import Kept, Results
from bench.page.markdown import missing, table
from bench.page.section import Bars, Section, under
from bench.results import Row
from bench.sizes import WHOLE

COMMAND = "python -m bench slurm"
CLOUD = ("slurm-plan-ours", "slurm-plan-theirs", "slurm-grants-ours", "slurm-grants-theirs", "slurm-quotes-ours", "slurm-quotes-theirs")  # fmt: skip
REAL = ("slurm-truth-ours", "slurm-truth-theirs")


def section(found: Results) -> Section:
    there = whole(found)
    beside = compared.rows({name: one.rows for name, one in there.items()})
    pictures = [_picture(beside)] if any(row["x"] for row in beside) else []
    return Section(
        texts={
            "peer": under(table(beside), pictures) if beside else missing(COMMAND),
            "plans": _both(there, "slurm-plan"),
            "grants": _both(there, "slurm-grants"),
            "quotes": _both(there, "slurm-quotes"),
            "truth": _alone(there, "slurm-truth-ours"),
            "their truth": _alone(there, "slurm-truth-theirs"),
        },
        pictures=pictures,
    )


def whole(found: Results) -> dict[str, Kept]:
    """What the newest run of the whole size measured on nodes that never boot, and what the newest did on real ones.

    The first are nothing but times: not where the machine was busy.
    """
    timed = {name: one for name, one in _run(found, CLOUD, WHOLE.nodes).items() if not one.busy}
    return timed | _run(found, REAL, WHOLE.real_nodes)


def _run(found: Results, measures: Sequence[str], nodes: int) -> dict[str, Kept]:
    those = [one for one in found.all if one.measure in measures and one.settings["nodes"] == nodes]
    last = max((str(one.settings["run"]) for one in those), default="")
    return {one.measure: one for one in those if one.settings["run"] == last}


def _both(there: Mapping[str, Kept], measure: str) -> str:
    sides = [one for side in ("ours", "theirs") if (one := there.get(f"{measure}-{side}"))]
    return table([row for one in sides for row in one.rows]) if sides else missing(COMMAND)


def _alone(there: Mapping[str, Kept], measure: str) -> str:
    return table(there[measure].rows) if measure in there else missing(COMMAND)


def _picture(beside: Sequence[Row]) -> Bars:
    those = [row for row in beside if row["x"]]
    return Bars(
        name="peer",
        title="How many times better than Slurm, same asks, same machine, one run",
        axis="times (logarithmic; over 1 is better than Slurm)",
        labels=[str(row["what"]) for row in those],
        series={"Dure": [float(row["x"]) for row in those]},
        mark=1.0,
        log=True,
    )
