"""A scenario out of its file, with a sentence for all that is wrong in it."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from agents.driver import DriverError
from agents.scenario import inventory
from agents.scenario.faults import Fault
from agents.scenario.fleet import NodeGroup, Scenario, SimulatedNode
from dure.mistakes import sentence

LISTS: dict[str, type[BaseModel]] = {"groups": NodeGroup, "nodes": SimulatedNode, "faults": Fault}


def load(path: Path) -> Scenario:
    """Reads YAML, of which JSON is a part; TOML and lists of nodes where the file's name ends in .toml or .csv.

    Raises DriverError that names the file and what is wrong in it.
    """
    try:
        return Scenario.model_validate(_parse(path))
    except OSError as error:
        raise DriverError(f"{path}: the scenario cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise DriverError(f"{path}: {'; '.join(_wrong(each) for each in error.errors())}") from error
    except (ValueError, yaml.YAMLError) as error:
        form = {".toml": "TOML", ".csv": "list of nodes"}.get(path.suffix, "YAML")
        raise DriverError(f"{path}: this is no {form}: {error}") from error


def _parse(path: Path) -> Any:
    if path.suffix == ".csv":
        return {"groups": [group.said() | {"count": group.count} for group in inventory.groups(path)]}
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".toml":
        return tomllib.loads(text)
    found = yaml.safe_load(text)
    return {} if found is None else found


def _wrong(error: Mapping[str, Any]) -> str:
    where: Sequence[int | str] = error["loc"]
    said = f"{'.'.join(map(str, where)) or 'file'}: {sentence(error)}"
    if error["type"] != "extra_forbidden":
        return said
    model = Scenario if len(where) == 1 else LISTS.get(str(where[0]), Scenario)
    return f"{said}; there are {', '.join(model.model_fields)}"
