"""The Philly asks: companies and widths beside EASY on the same nodes."""

from collections.abc import Sequence

from bench.page.kept import Kept, Results
from bench.page.markdown import missing, table
from bench.page.section import Bars, Section, under
from bench.results import Row, Value

COMMAND = "python -m bench philly"


def section(found: Results) -> Section:
    runs = found.each("philly")
    if not runs:
        return Section(texts={"philly": missing(COMMAND), "philly losers": missing(COMMAND)})
    classes = found.each("philly-classes")
    pictures = [_widths(classes)] if classes else []
    parts = [table([_row(one) for one in runs])]
    if classes:
        parts += ["Hours waited, and in brackets under EASY:", table(_classes(classes))]
    losers = table([_losers(one) for one in classes]) if classes else missing(COMMAND)
    return Section(texts={"philly": under("\n\n".join(parts), pictures), "philly losers": losers}, pictures=pictures)


def way(one: Kept) -> str:
    said = one.settings
    also = [f"gap {said['gap_s']} s"] if said["gap_s"] else []
    also += [f"quota {said['quota_percent']} %"] if said["quota_percent"] != 100 else []
    rule = [] if said["rule"] == "late-slots" else [str(said["rule"]).replace("-", " ")]
    return ", ".join([f"{said['gpus']:,} GPUs", f"slack {said['slack']:g}", *rule, *also])


def _row(one: Kept) -> Row:
    row = one.rows[0]
    return {
        "on": way(one),
        "jobs": row["jobs"],
        "broken": row["promises_broken"],
        "slowdown": row["mean_bounded_slowdown"],
        "EASY's on the same nodes": row["easy_mean_bounded_slowdown"],
        "x": row["ratio_to_easy"],
        "EASY's, GPUs only counted": row["easy_counting_gpus_mean_bounded_slowdown"],
        "used, %": 100 * float(row["utilisation"]),
        "under EASY, %": 100 * float(row["easy_utilisation"]),
        "decisions a second": one.speed(row, "decisions_per_s"),
    }


def _classes(found: Sequence[Kept]) -> list[Row]:
    """A row a company and a width, a column a way."""
    rows: dict[tuple[str, str], dict[str, Value]] = {}
    for one in found:
        for row in one.rows:
            mine = rows.setdefault((str(row["by"]), str(row["class"])), {"": f"{row['by']} {row['class']}"})
            mine["jobs"] = row["jobs"]
            mine[way(one)] = f"{float(row['wait_s']) / 3600:.2f} ({float(row['easy_wait_s']) / 3600:.2f})"
    columns = ["", "jobs", *(way(one) for one in found)]
    return [{column: row.get(column, "") for column in columns} for row in rows.values()]


def _losers(one: Kept) -> Row:
    """Who waits longer than under EASY on the same nodes."""
    longer = [row for row in one.rows if row["x easy_wait"] != "" and float(row["x easy_wait"]) > 1]
    companies = [float(row["x easy_wait"]) for row in longer if row["by"] == "company"]
    widths = [f"{row['class']} ({float(row['x easy_wait']):.2f})" for row in longer if row["by"] == "width"]
    every = sum(row["by"] == "company" for row in one.rows)
    return {
        "on": way(one),
        "companies that wait longer": f"{len(companies)} of {every}",
        "at most x": max(companies, default=""),
        "widths that wait longer (x)": ", ".join(widths) or "none",
    }


def _widths(found: Sequence[Kept]) -> Bars:
    widths = list(dict.fromkeys(str(row["class"]) for one in found for row in one.rows if row["by"] == "width"))
    return Bars(
        name="philly",
        title="Mean wait by how many GPUs a job asks for, Philly",
        axis="times EASY's wait on the same nodes",
        labels=widths,
        series={way(one): [_ratio(one, width) for width in widths] for one in found},
        mark=1.0,
    )


def _ratio(one: Kept, width: str) -> float | None:
    value = next((row["x easy_wait"] for row in one.rows if row["class"] == width), "")
    return float(value) if value != "" else None
