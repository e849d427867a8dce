"""Which result is of which command, when, of which state of the tree, and on what machine."""

from collections.abc import Sequence

from bench.page import peer, service
from bench.page.kept import Kept, Results
from bench.page.markdown import missing, table
from bench.page.section import Section
from bench.results import Row

ABOUT = ("cores", "memory_gib", "processor", "python", "postgresql", "slurm")
DEFAULTS = {"rule": "late-slots", "gap_s": 0, "quota_percent": 100}


def section(found: Results) -> Section:
    """Of each measure the newest for everything that was asked for: what the page is made of."""
    used = [one for measure in ("replay", "philly", "openb", *service.MEASURES) for one in found.each(measure)]
    used += peer.whole(found).values()
    if not used:
        return Section(texts={"measured": missing("python -m bench"), "machines": ""})
    machines = sorted({machine(one) for one in used})
    rows = [_row(one) for one in sorted(used, key=lambda one: one.name)]
    return Section(texts={"measured": table(rows), "machines": "\n".join(f"- {name}" for name in machines)})


def machine(one: Kept) -> str:
    said = {name: one.machine[name] for name in ABOUT if name in one.machine}
    known = [f"{said['cores']} cores", f"{said['memory_gib']} GiB", str(said["processor"]), f"Python {said['python']}"]
    for name, shown in (("postgresql", "PostgreSQL"), ("slurm", "Slurm")):
        known += [f"{shown} {said[name]}"] if name in said else []
    return ", ".join(known)


def _row(one: Kept) -> Row:
    return {
        "date": one.at[:16].replace("T", " "),
        "commit": one.commit,
        "load before": one.machine["load_before"],
        "measure": one.measure,
        "command": f"`{command(one)}`",
    }


def command(one: Kept) -> str:
    """What to type for it again."""
    said = one.settings
    first, _, _ = one.measure.partition("-")
    words: Sequence[str] = {
        "replay": lambda: _replay(one),
        "philly": lambda: _options(one, ("gpus", "quota_percent", "gap_s", "slack", "rule")),
        "openb": lambda: _options(one, ("arrivals", "seeds", "known", "sample", "kept", "headroom", "grain")),
        "ask": lambda: ["--gpus", str(said["gpus"])],
        "lateness": lambda: ["--leases", str(said["leases"]), "--within", str(said["within_s"])],
    }.get(first, list[str])()
    return " ".join(["python -m bench", first, *words])


def _replay(one: Kept) -> list[str]:
    return [str(one.settings["log"]), *_options(one, ("boxes", "rule", "slack", "reserve", "seniority_s"))]


def _options(one: Kept, names: Sequence[str]) -> list[str]:
    """Those that are not what is taken where nothing is said."""
    there = {name: one.settings[name] for name in names if name in one.settings}
    return [
        word
        for name, value in there.items()
        if DEFAULTS.get(name) != value and value is not False
        for word in (f"--{name.removesuffix('_s').removesuffix('_percent')}", *([] if value is True else [str(value)]))
    ]
