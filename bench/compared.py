"""What either side did with the same asks in one run, set beside each other: a line a thing, ours, theirs and the ratio. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from bench.figures import times
from bench.lines import DURE
from bench.results import Row, Value

Kept = Mapping[str, Sequence[Row]]
"""The rows of each measure of one run, by its name; a measure that failed is not there."""


def rows(kept: Kept) -> list[Row]:
    """Only what both sides have; a ratio over 1 is for us."""
    return [*_plan(kept), *_grants(kept), *_quotes(kept), *_truth(kept)]


def _plan(kept: Kept) -> Iterator[Row]:
    ours, theirs = _first(kept, "slurm-plan-ours"), _best(kept, "slurm-plan-theirs", "seconds")
    if ours and theirs and ours["jobs"] == theirs["jobs"]:
        yield _less(f"a plan of the {ours['jobs']} that wait, s", ours, theirs, "seconds")
        yield _less("the same, processor s", ours, theirs, "processor s")


def _grants(kept: Kept) -> Iterator[Row]:
    growing = [row for row in kept.get("slurm-grants-ours", ()) if row["what"] == "grant, queue growing"]
    found = [row for row in kept.get("slurm-grants-theirs", ()) if row["what"] == "submit, queue growing"]
    theirs = {row["clients"]: row for row in found}
    for ours in growing:
        if peer := theirs.get(ours["clients"]):
            yield _more(f"taken a second, {ours['clients']} at once, queue growing", ours, peer, "a second")
            yield _less(f"the same, p99 ms of one, {ours['clients']} at once", ours, peer, "p99 ms")


def _quotes(kept: Kept) -> Iterator[Row]:
    ours = next((row for row in kept.get("slurm-quotes-ours", ()) if "arriving" in str(row["what"])), None)
    theirs = next((row for row in kept.get("slurm-quotes-theirs", ()) if "other submitting" in str(row["what"])), None)
    if ours and theirs:
        yield _less("a quote, queue full and asks arriving, p50 ms", ours, theirs, "p50 ms")
        yield _less("the same, p99 ms", ours, theirs, "p99 ms")


def _truth(kept: Kept) -> Iterator[Row]:
    ours = _first(kept, "slurm-truth-ours")
    theirs = next((row for row in kept.get("slurm-truth-theirs", ()) if row["queue"] == "all"), None)
    if ours and theirs:
        true = f"{ours['came true']} of {ours['pairs']}"
        within = f"{theirs['within 1 min']} of {theirs['probes']} within 1 min"
        yield {"what": "quotes that came true", DURE: true, "Slurm": within, "x": ""}


def _first(kept: Kept, measure: str) -> Row | None:
    return next(iter(kept.get(measure, ())), None)


def _best(kept: Kept, measure: str, name: str) -> Row | None:
    return min(kept.get(measure, ()), key=lambda row: float(row[name]), default=None)


def _less(what: str, ours: Row, theirs: Row, name: str) -> Row:
    return _row(what, ours[name], theirs[name], times(float(theirs[name]), float(ours[name])))


def _more(what: str, ours: Row, theirs: Row, name: str) -> Row:
    return _row(what, ours[name], theirs[name], times(float(ours[name]), float(theirs[name])))


def _row(what: str, ours: Value, theirs: Value, ratio: float) -> Row:
    return {"what": what, DURE: ours, "Slurm": theirs, "x": ratio}
