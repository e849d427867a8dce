"""Every line that is logged has an `action` word, by which it is found for ever, whatever its sentence becomes."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[3]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
ABOUT = "about"
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


def test_every_line_of_an_agent_has_its_action() -> None:
    found = list(_calls("agents"))
    assert len(found) > 10
    assert [where for where, call in found if not _is_named(call)] == []


def _is_named(call: ast.Call) -> bool:
    """By a word that is said there, or in a variable that only has words (`about`)."""
    extras = [one.value for one in call.keywords if one.arg == "extra"]
    return any(_has_action(one) or (isinstance(one, ast.Name) and one.id == ABOUT) for one in extras)


def _has_action(extra: ast.expr) -> bool:
    return isinstance(extra, ast.Dict) and any(
        isinstance(key, ast.Constant) and key.value == "action" for key in extra.keys
    )


def test_what_agents_lines_are_about_begins_with_its_action() -> None:
    made = [
        (f"{path.relative_to(TREE)}:{node.lineno}", node.value)
        for path in sorted((TREE / "agents").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == ABOUT for to in node.targets)
    ]
    assert made
    assert [where for where, value in made if not _has_action(value)] == []
