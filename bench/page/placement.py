"""FGD's experiment: how many GPUs stay free."""

from collections.abc import Sequence

from bench.page.kept import Kept, Results
from bench.page.markdown import missing, table
from bench.page.section import Bars, Section, under
from bench.results import Row, Value

COMMAND = "python -m bench openb"
NAMES = {"random": "random", "bestfit": "BestFit", "fgd": "FGD", "ours": "ours"}
OPTIONS = ("arrivals", "seeds", "known", "sample", "kept", "headroom", "grain")


def section(found: Results) -> Section:
    main = found.newest("openb", lambda one: {"ours", "bestfit"} <= {str(row["policy"]) for row in one.rows})
    if main is None:
        return Section(texts={"placement": missing(COMMAND)})
    pictures = [_picture(main)]
    others = [one for one in found.each("openb") if one.settings != main.settings]
    parts = [f"{main.settings['seeds']} seeds.", table([_row(main, row) for row in main.rows])]
    if others:
        parts += ["With one option changed, ours alone:", table(_varied(main, others))]
    return Section(texts={"placement": under("\n\n".join(parts), pictures)}, pictures=pictures)


def _row(one: Kept, row: Row) -> Row:
    first: dict[str, Value] = {"mix": row["mix"], "policy": NAMES[str(row["policy"])]}
    rest: Row = {
        "deviation": row["deviation"],
        "x BestFit": row["x bestfit"],
        "placements a second": one.speed(row, "placements a second"),
    }
    return first | _free(row) | dict(rest)


def _free(row: Row) -> dict[str, Value]:
    return {name: value for name, value in row.items() if name.startswith(("% free", "published"))}


def _varied(main: Kept, others: Sequence[Kept]) -> list[Row]:
    return [
        {"option": _options(main, one), "mix": row["mix"], f"% free at {main.settings['arrivals']}": _last(row), "deviation": row["deviation"]}
        for one in others
        for row in one.rows
        if row["policy"] == "ours"
    ]  # fmt: skip


def _options(main: Kept, one: Kept) -> str:
    changed = [name for name in OPTIONS if one.settings.get(name) != main.settings.get(name)]
    values = {name: "" if one.settings[name] is True else f" {one.settings[name]}" for name in changed}
    return " ".join(f"`--{name}{value}`" for name, value in values.items()) or "-"


def _last(row: Row) -> Value:
    return [value for name, value in row.items() if name.startswith("% free")][-1]


def _picture(one: Kept) -> Bars:
    mixes = list(dict.fromkeys(str(row["mix"]) for row in one.rows))
    policies = list(dict.fromkeys(str(row["policy"]) for row in one.rows))
    at = {(str(row["mix"]), str(row["policy"])): float(_last(row)) for row in one.rows}
    return Bars(
        name="placement",
        title=f"GPUs that stay free when {one.settings['arrivals']} % of them have been asked for",
        axis="% of all GPUs",
        labels=mixes,
        series={NAMES[policy]: [at.get((mix, policy)) for mix in mixes] for policy in policies},
    )
