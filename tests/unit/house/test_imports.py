"""What the house's packages import, and who owns their names."""

import ast
import importlib.metadata
import sys
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[3]
GENERIC = ("api", "scheduler", "agents", "deploy")


@pytest.mark.parametrize("name", GENERIC)
def test_no_installed_distribution_owns_the_generic_name(name: str) -> None:
    assert importlib.metadata.packages_distributions().get(name, []) == []


@pytest.mark.parametrize("module", sorted((TREE / "scheduler" / "core").rglob("*.py")), ids=lambda path: path.stem)
def test_the_core_imports_the_standard_library_what_is_pure_and_fast_and_itself_alone(module: Path) -> None:
    foreign = {
        name
        for name in _imported(module)
        if name.partition(".")[0] not in {*sys.stdlib_module_names, "numpy", "numba", "orjson", "msgspec"}
        and not f"{name}.".startswith("scheduler.core.")
    }
    assert foreign == set()


def _imported(module: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module or "")
    return found
