"""The processes alone, from outside: asks over HTTP, reports, lateness of starts and ends, and the command line."""

from bench.page.kept import Kept, Results
from bench.page.markdown import disturbed, missing, table
from bench.page.section import Section

MEASURES = ("ask", "reports", "lateness", "cli")


def section(found: Results) -> Section:
    return Section(texts={measure: _tables(found, measure) for measure in MEASURES})


def _tables(found: Results, measure: str) -> str:
    """One for everything that was asked for; what a busy machine gave is left out, since it is nothing but times."""
    kept, command = found.each(measure), f"python -m bench {measure}"
    calm = [one for one in kept if not one.busy]
    if not calm:
        return disturbed(command, kept) if kept else missing(command)
    return "\n\n".join(_table(one) for one in calm)


def _table(one: Kept) -> str:
    said = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in one.settings.items())
    return f"{said}:\n\n{table(one.rows)}"
