"""Settings from the environment: one frozen class a process, and a setting nobody knows is an error at start."""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from dure.mistakes import sentence
from dure.variables import PREFIXES, SHARED, SettingError, explained, refuse_unknown

__all__ = ["PREFIXES", "SHARED", "SettingError", "described", "read"]

S = TypeVar("S", bound=BaseModel)


def read(settings: type[S], environ: Mapping[str, str], *, prefix: str, shared: Iterable[str] = ()) -> S:
    """Builds `settings` from `environ`: field `port` from `{prefix}PORT`, and `shared` names from `DURE_{NAME}`.

    Raises SettingError for a variable with our prefix that is no setting, and for a value that does not fit.
    """
    names = {
        f"DURE_{name.upper()}" if name in shared else f"{prefix}{name.upper()}": name for name in settings.model_fields
    }
    refuse_unknown(environ, names, prefix)
    try:
        return settings(**{field: environ[name] for name, field in names.items() if name in environ})
    except ValidationError as error:
        raise SettingError(_sentence(error, {field: name for name, field in names.items()}, settings)) from None


def described(settings: type[BaseModel], *, prefix: str) -> str:
    """Each setting with what it is and takes, and what it is where it is not said: for a `--help`."""
    fields = settings.model_fields.items()
    return explained((f"{prefix}{name.upper()}", found.description, found.default) for name, found in fields)


def _sentence(error: ValidationError, names: Mapping[str, str], settings: type[BaseModel]) -> str:
    lines: list[str] = []
    for found in error.errors():
        field = str(found["loc"][0]) if found["loc"] else ""
        about = settings.model_fields[field].description if field in settings.model_fields else None
        lines.append(f"{names.get(field, field or 'settings')}: {sentence(found)}" + (f" ({about})" if about else ""))
    return "; ".join(lines)
