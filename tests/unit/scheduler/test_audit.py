"""What the audit log keeps is one list, and nothing else is kept in it."""

import ast
from pathlib import Path

from dure.wire import AuditAction

TREE = Path(__file__).resolve().parents[3]
KEPT_BY = {"record", "row"}


def written() -> list[tuple[str, ast.expr]]:
    """What each call of `audit.record` and `audit.row` gives as the action, and where."""
    found: list[tuple[str, ast.expr]] = []
    for path in [*TREE.glob("scheduler/**/*.py"), *TREE.glob("api/**/*.py"), *TREE.glob("deploy/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {f"audit.{name}" for name in KEPT_BY}:
                [action] = [one.value for one in node.keywords if one.arg == "action"]
                found.append((f"{path.relative_to(TREE)}:{node.lineno}", action))
    return found


def test_every_act_that_is_kept_is_one_of_the_list() -> None:
    assert len(written()) > 15
    for where, action in written():
        said = ast.unparse(action)
        # A name is a parameter; its type says the rest.
        assert said == "action" or said.removeprefix("wire.AuditAction.") in AuditAction.__members__, where


def test_everything_in_the_list_is_done_somewhere() -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in TREE.glob("scheduler/**/*.py"))
    assert [one for one in AuditAction if f"AuditAction.{one.name}" not in texts] == []


def test_a_name_says_what_is_done_to_what() -> None:
    for one in AuditAction:
        assert one.name == one.value.upper().replace(".", "_")
        assert ".".join(one.words) == one.value
