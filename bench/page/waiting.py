"""Logs replayed: waiting beside EASY's, and which classes of jobs wait longer than they would there."""

import math
from collections.abc import Sequence

from bench.page.kept import Kept, Results
from bench.page.markdown import missing, table
from bench.page.section import Bars, Section, under
from bench.results import Row, Value

COMMAND = "python -m bench replay LOG --boxes exact|asked"
USUAL = {"exact": 0.05, "asked": 0.5}
"""What an ask may be promised later, as a part of its box, where nothing else is said."""


def section(found: Results) -> Section:
    replays = in_order(found.each("replay"))
    if not replays:
        return Section(texts={"promises": missing(COMMAND), "waiting": missing(COMMAND), "losers": missing(COMMAND)})
    classes = in_order(found.each("replay-classes"))
    ways = list(dict.fromkeys(way(one) for one in replays))
    pictures = [_ratios(replays, ways)]
    classed = [picture for boxes in USUAL if (picture := _classes(classes, boxes))]
    return Section(
        texts={
            "promises": table([_promises(replays, way) for way in ways]),
            "waiting": under(table([_waiting(replays, way) for way in ways]), pictures),
            "losers": under(_losers(classes), classed),
        },
        pictures=[*pictures, *classed],
    )


def in_order(those: Sequence[Kept]) -> list[Kept]:
    """Exact boxes first, and what is usual first; then by the log."""
    return sorted(
        those,
        key=lambda one: (
            one.settings["boxes"] != "exact",
            not usual(one, str(one.settings["boxes"])),
            way(one),
            log(one),
        ),
    )


def way(one: Kept) -> str:
    """How a log was replayed, but for which log."""
    said = one.settings
    also = [f"reserve {said['reserve']}"] if "reserve" in said else []
    also += [f"seniority {said['seniority_s']} s"] if "seniority_s" in said else []
    rule = str(said["rule"]).replace("-", " ")
    return ", ".join([f"{said['boxes']} boxes: {rule}", f"slack {said['slack']:g}", *also])


def log(one: Kept) -> str:
    return str(one.settings["log"]).partition(".")[0]


def geometric_mean(values: Sequence[float]) -> float:
    return math.exp(sum(math.log(value) for value in values) / len(values))


def ratios(replays: Sequence[Kept], wanted: str) -> dict[str, float]:
    """By log, our mean bounded slowdown as a part of EASY's."""
    return {log(one): float(one.rows[0]["ratio_to_easy"]) for one in replays if way(one) == wanted}


def _promises(replays: Sequence[Kept], wanted: str) -> Row:
    mine = [one for one in replays if way(one) == wanted]
    those = [one.rows[0] for one in mine]
    logs = " / ".join(log(one) for one in mine)
    return {
        "replayed": wanted,
        "logs": logs,
        "jobs": sum(int(row["jobs"]) for row in those),
        "promises broken": sum(int(row["promises_broken"]) for row in those),
        "latest start after its promise, s": max(int(row["worst_lateness_s"]) for row in those),
        "start before its promise, median s": " / ".join(f"{float(row['median_slack_s']):,.0f}" for row in those),
    }


def _waiting(replays: Sequence[Kept], wanted: str) -> Row:
    there = ratios(replays, wanted)
    logs = sorted({log(one) for one in replays})
    row: dict[str, Value] = {"x EASY": wanted}
    row |= {name: there.get(name, "") for name in logs}
    row["geo-mean"] = geometric_mean(list(there.values())) if set(there) == set(logs) else ""
    speeds = [one.speed(one.rows[0], "decisions_per_s") for one in replays if way(one) == wanted]
    row["decisions a second"] = " / ".join(f"{one:,.0f}" if isinstance(one, float) else str(one) for one in speeds)
    return row


def _ratios(replays: Sequence[Kept], ways: Sequence[str]) -> Bars:
    logs = sorted({log(one) for one in replays})
    return Bars(
        name="waiting",
        title="Mean bounded slowdown, as a part of EASY's",
        axis="times EASY's",
        labels=ways,
        series={name: [ratios(replays, one).get(name) for one in ways] for name in logs},
        mark=1.0,
    )


def usual(one: Kept, boxes: str) -> bool:
    said = one.settings
    plain = not {"reserve", "seniority_s"} & set(said)
    return plain and (said["boxes"], said["slack"], said["rule"]) == (boxes, USUAL[boxes], "late-slots")


def _classes(found: Sequence[Kept], boxes: str) -> Bars | None:
    those = [one for one in found if usual(one, boxes)]
    if not those:
        return None
    labels = [str(row["class"]) for row in those[0].rows]
    return Bars(
        name=f"classes-{boxes}",
        title=f"Mean wait by how wide (of the pool) and how long a job is, {boxes} boxes, slack {USUAL[boxes]}",
        axis="times EASY's wait",
        labels=labels,
        series={log(one): [float(row["x easy_wait"]) if row["jobs"] else None for row in one.rows] for one in those},
        mark=1.0,
    )


def _losers(found: Sequence[Kept]) -> str:
    rows = [
        {
            "class": f"{log(one)}, {row['class']}",
            "replayed": way(one),
            "jobs": row["jobs"],
            "wait, h": float(row["wait_s"]) / 3600,
            "under EASY, h": float(row["easy_wait_s"]) / 3600,
            "x": row["x easy_wait"],
        }
        for boxes in USUAL
        for one in found
        if usual(one, boxes)
        for row in one.rows
        if row["jobs"] and float(row["x easy_wait"]) > 1
    ]
    return table(rows) if rows else "No class of jobs waits longer than under EASY."
