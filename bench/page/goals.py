"""What was to be reached, and whether it was."""

from collections.abc import Iterator

from bench.page import peer, waiting
from bench.page.kept import Kept, Results
from bench.page.markdown import shown, table
from bench.page.section import Section
from bench.results import Row

LOGS = {"KTH-SP2", "SDSC-SP2", "CTC-SP2"}
NOT_YET = "not measured"


def section(found: Results) -> Section:
    return Section(texts={"goals": table([*_promises(found), *_waiting(found), *_placement(found), *_speed(found)])})


def _goal(goal: str, *, seen: str = "", reached: bool | None = None) -> Row:
    return {
        "goal": goal,
        "seen": seen or "-",
        "": NOT_YET if reached is None else "reached" if reached else "**missed**",
    }


def _promises(found: Results) -> Iterator[Row]:
    for what, measure in (("logs replayed", "replay"), ("Philly replayed", "philly")):
        rows = [one.rows[0] for one in found.each(measure)]
        broken, jobs = (sum(int(row[name]) for row in rows) for name in ("promises_broken", "jobs"))
        seen = f"{broken} of {jobs:,} in {len(rows)} runs" if rows else ""
        yield _goal(f"{what}: 0 promises broken", seen=seen, reached=not broken if rows else None)


def _waiting(found: Results) -> Iterator[Row]:
    replays = found.each("replay")
    for boxes, mean, each in (("exact", 0.42, 0.55), ("asked", 0.55, 0.65)):
        those = [one for one in replays if waiting.usual(one, boxes)]
        yield _slowdown(f"{boxes} boxes, slack {waiting.USUAL[boxes]}", those, mean, each)
    for boxes in waiting.USUAL:
        yield _longest_waits(boxes, [one for one in found.each("replay-classes") if waiting.usual(one, boxes)])
    quoted = [one for one in replays if one.settings["slack"] == 0 and one.settings["boxes"] == "exact"]
    ways = dict.fromkeys(waiting.way(one) for one in quoted)
    best = min(ways, key=lambda way: sum(waiting.ratios(quoted, way).values()), default="")
    yield _slowdown("exact boxes, start as quoted", [one for one in quoted if waiting.way(one) == best], 0.60, None)


def _slowdown(what: str, those: list[Kept], mean: float, each: float | None) -> Row:
    goal = f"{what}: at most {mean:.2f} of EASY's slowdown" + (f", {each:.2f} on each log" if each else "")
    found = {waiting.log(one): float(one.rows[0]["ratio_to_easy"]) for one in those}
    if set(found) < LOGS:
        return _goal(goal)
    seen, worst = waiting.geometric_mean([found[log] for log in LOGS]), max(found[log] for log in LOGS)
    return _goal(
        goal, seen=f"{seen:.3f}, at most {worst:.3f}", reached=seen <= mean and (each is None or worst <= each)
    )


def _longest_waits(boxes: str, those: list[Kept]) -> Row:
    """The open problem: the widest and the longest."""
    goal = f"{boxes} boxes: jobs over 30 % wide or over 6 h wait at most 1.2 times as long as under EASY"
    hard = ("wide over 30 %", "long over 6 h")
    waits = [float(row["x easy_wait"]) for one in those for row in one.rows if row["class"] in hard and row["jobs"]]
    if {waiting.log(one) for one in those} < LOGS:
        return _goal(goal)
    return _goal(goal, seen=f"at most {max(waits):.2f}", reached=max(waits) <= 1.2)


def _placement(found: Results) -> Iterator[Row]:
    main = found.newest("openb", lambda one: {"ours", "bestfit"} <= {str(row["policy"]) for row in one.rows})
    at = {str(row["policy"]): row for row in main.rows if row["mix"] == "default"} if main else {}
    goal, speed = "openb: no more GPUs free than with BestFit", "openb: 1,000 placements a second"
    if main is None or "ours" not in at or main.settings["arrivals"] != 130:
        yield from (_goal(goal), _goal(speed))
        return
    ours, theirs = (float(at[policy]["% free at 130"]) for policy in ("ours", "bestfit"))
    yield _goal(goal, seen=f"{ours:.2f} % for {theirs:.2f} %", reached=ours <= theirs)
    rate = float(at["ours"]["placements a second"])
    yield _goal(speed) if main.busy else _goal(speed, seen=shown(rate), reached=rate >= 1000)


def _speed(found: Results) -> Iterator[Row]:
    there = peer.whole(found)
    rows = {name: one.rows for name, one in there.items()}
    plans, their_plans = rows.get("slurm-plan-ours"), rows.get("slurm-plan-theirs")
    goal = "a plan of 2,000 that wait: 1/500 of Slurm's time"
    if plans and their_plans:
        part = min(float(row["seconds"]) for row in their_plans) / float(plans[0]["seconds"])
        yield _goal(goal, seen=f"1/{part:,.0f}", reached=part >= 500)
    else:
        yield _goal(goal)
    quotes = [row for row in rows.get("slurm-quotes-ours", ()) if "arriving" in str(row["what"])]
    yield _times("a quote over HTTP, asks arriving: p50 1 ms, p99 3 ms", quotes, 1, 3)
    grants = [row for row in rows.get("slurm-grants-ours", ()) if row["what"] == "grant, queue growing"]
    yield _rates(grants)
    yield _truth(there.get("slurm-truth-ours"))


def _times(goal: str, rows: list[Row], p50: float, p99: float) -> Row:
    if not rows:
        return _goal(goal)
    middle, last = float(rows[0]["p50 ms"]), float(rows[0]["p99 ms"])
    return _goal(goal, seen=f"{middle:.2f} and {last:.2f} ms", reached=middle <= p50 and last <= p99)


def _rates(rows: list[Row]) -> Row:
    goal = "durable grants: 2,000 a second, p99 20 ms"
    if not rows:
        return _goal(goal)
    best = max(rows, key=lambda row: float(row["a second"]))
    rate, last = float(best["a second"]), float(best["p99 ms"])
    seen = f"{rate:,.0f} a second, p99 {last:.0f} ms, {best['clients']} at once"
    return _goal(goal, seen=seen, reached=rate >= 2000 and last <= 20)


def _truth(one: Kept | None) -> Row:
    goal = "quotes that come true: 1,000 of 1,000"
    if one is None:
        return _goal(goal)
    true, pairs = int(one.rows[0]["came true"]), int(one.rows[0]["pairs"])
    return _goal(goal, seen=f"{true:,} of {pairs:,}", reached=true == pairs and pairs >= 1000)
