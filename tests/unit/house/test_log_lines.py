"""Every line that is logged has an `action` word, by which it is found for ever, whatever its sentence becomes."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[3]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
WORD = re.compile(r"[a-z]+(_[a-z]+)*(\.[a-z]+(_[a-z]+)*)?")


def _calls(package: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call of a logger, and of what may stand for one (`write = log.info if ... else log.warning`)."""
    for path in sorted((TREE / package).rglob("*.py")):
        tree = ast.parse(path.read_text())
        stand_ins = {
            target.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and "log." in ast.unparse(node.value)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _is_logger(node.func, stand_ins):
                yield f"{path.relative_to(TREE)}:{node.lineno}", node


def _is_logger(called: ast.expr, stand_ins: set[str]) -> bool:
    if isinstance(called, ast.Name):
        return called.id in stand_ins
    return (
        isinstance(called, ast.Attribute)
        and called.attr in LEVELS
        and isinstance(called.value, ast.Name)
        and called.value.id == "log"
    )


@pytest.mark.parametrize("package", ["api", "scheduler"])
def test_every_line_has_its_action(package: str) -> None:
    found = list(_calls(package))
    assert len(found) > 10
    without = [where for where, call in found if not any(one.arg in ("action", None) for one in call.keywords)]
    assert without == []


@pytest.mark.parametrize("package", ["api", "scheduler"])
def test_an_action_is_one_word_in_lower_case(package: str) -> None:
    said = {
        (where, one.value.value)
        for where, call in _calls(package)
        for one in call.keywords
        if one.arg == "action" and isinstance(one.value, ast.Constant)
    }
    assert [(where, word) for where, word in sorted(said) if not WORD.fullmatch(str(word))] == []


def test_every_line_of_an_agent_has_more_than_its_sentence() -> None:
    found = list(_calls("agents"))
    assert len(found) > 10
    assert [where for where, call in found if not any(one.arg == "extra" for one in call.keywords)] == []
