"""Settings from the environment: one frozen class a process, and a setting nobody knows is an error at start."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from dure.mistakes import sentence

S = TypeVar("S", bound=BaseModel)

SHARED = frozenset(
    {
        *("DURE_SERVER", "DURE_TOKEN", "DURE_CONFIG", "DURE_ZONE"),
        *("DURE_KUBECONFIG", "DURE_DATABASE_URL", "DURE_WEBHOOK_NETWORKS", "DURE_COMPILED_FOLDER"),
    }
)
"""Read by more than one process, or by the CLI."""

PREFIXES = ("DURE_API_", "DURE_SCHEDULER_", "DURE_AGENT_", "DURE_LOCAL_", "DURE_TEST_", "DURE_BENCH_")
"""Every process has a prefix; what does not begin with one of these and is not shared is a misspelling."""


class SettingError(Exception):
    """A setting is unknown, missing or wrong; the text names it and says what it takes."""


def read(settings: type[S], environ: Mapping[str, str], *, prefix: str, shared: Iterable[str] = ()) -> S:
    """Builds `settings` from `environ`: field `port` from `{prefix}PORT`, and `shared` names from `DURE_{NAME}`.

    Raises SettingError for a variable with our prefix that is no setting, and for a value that does not fit.
    """
    names = {
        f"DURE_{name.upper()}" if name in shared else f"{prefix}{name.upper()}": name for name in settings.model_fields
    }
    _refuse_unknown(environ, names, prefix)
    try:
        return settings(**{field: environ[name] for name, field in names.items() if name in environ})
    except ValidationError as error:
        raise SettingError(_sentence(error, {field: name for name, field in names.items()}, settings)) from None


def described(settings: type[BaseModel], *, prefix: str) -> str:
    """Each setting with what it is and takes, and what it is where it is not said: for a `--help`."""
    lines: list[str] = []
    for field, found in settings.model_fields.items():
        unsaid = "" if found.default is None else f" [{found.default}]"
        lines += [f"  {prefix}{field.upper()}", f"      {found.description}{unsaid}"]
    return "\n".join(lines)


def _refuse_unknown(environ: Mapping[str, str], names: Mapping[str, str], prefix: str) -> None:
    for name in sorted(environ):
        if not name.startswith("DURE_") or name in names or name in SHARED:
            continue
        if name.startswith(prefix) or not name.startswith(PREFIXES):
            near = difflib.get_close_matches(name, [*names, *SHARED], n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(sorted(names))}"
            raise SettingError(f"{name} is not a setting{hint}")


def _sentence(error: ValidationError, names: Mapping[str, str], settings: type[BaseModel]) -> str:
    lines: list[str] = []
    for found in error.errors():
        field = str(found["loc"][0]) if found["loc"] else ""
        about = settings.model_fields[field].description if field in settings.model_fields else None
        lines.append(f"{names.get(field, field or 'settings')}: {sentence(found)}" + (f" ({about})" if about else ""))
    return "; ".join(lines)
