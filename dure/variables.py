"""Which environment variables are ours, so that a misspelled one is an error at start. It imports nothing that is large: a
node's agent reads its settings with it.
"""

import difflib
from collections.abc import Iterable, Mapping

SHARED = frozenset(
    {
        *("DURE_SERVER", "DURE_TOKEN", "DURE_CONFIG", "DURE_ZONE"),
        *("DURE_KUBECONFIG", "DURE_DATABASE_URL", "DURE_DATABASE_URL_FILE"),
        *("DURE_WEBHOOK_NETWORKS", "DURE_COMPILED_FOLDER", "DURE_TRACES"),
    }
)
"""Read by more than one process, or by the CLI."""

PREFIXES = ("DURE_API_", "DURE_SCHEDULER_", "DURE_AGENT_", "DURE_LOCAL_", "DURE_TEST_", "DURE_BENCH_")
"""Every process has a prefix; what does not begin with one of these and is not shared is a misspelling."""


class SettingError(Exception):
    """A setting is unknown, missing or wrong; the text names it and says what it takes."""


def refuse_unknown(environ: Mapping[str, str], names: Iterable[str], prefix: str) -> None:
    """Raises SettingError for a variable that is a setting of nobody, `names` being those of this process."""
    known = set(names)
    for name in sorted(environ):
        if not name.startswith("DURE_") or name in known or name in SHARED:
            continue
        if name.startswith(prefix) or not name.startswith(PREFIXES):
            near = difflib.get_close_matches(name, sorted({*known, *SHARED}), n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(sorted(known))}"
            raise SettingError(f"{name} is not a setting{hint}")


def explained(told: Iterable[tuple[str, str | None, object]]) -> str:
    """Each setting's name, what it is and takes, and what it is where it is not said: for a `--help`."""
    lines: list[str] = []
    for name, about, unsaid in told:
        lines += [f"  {name}", f"      {about}" + ("" if unsaid is None else f" [{unsaid}]")]
    return "\n".join(lines)
