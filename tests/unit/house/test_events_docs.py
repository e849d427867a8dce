"""docs/events.md names every type of event that the code writes, and none that it does not."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from scheduler.webhooks import ping

TREE = Path(__file__).resolve().parents[3]
PAGE = TREE / "docs" / "events.md"

ASKED = {"scheduled", "queued", "refused"}
"""What an ask becomes is its event too."""

AMENDED = {"extended", "shrunk", "resized", "renewed", "replaced"}
"""Why a lease has another end or size, or other GPUs, is its event too."""

WRITES = {"event": 2, "event_row": 1, "company_event": 2}
"""Which argument of each function that writes one is its event."""


def _literals(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=name), args=args) if name in WRITES and len(args) > WRITES[name]:
                found = args[WRITES[name]]
            case ast.Assign(targets=[ast.Name(id="event")], value=found) | ast.keyword(arg="event", value=found):
                pass
            case _:
                continue
        for one in (found.body, found.orelse) if isinstance(found, ast.IfExp) else (found,):
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                yield one.value


def written() -> set[str]:
    files = (TREE / "scheduler").rglob("*.py")
    found = ASKED | AMENDED | {event for file in files for event in _literals(ast.parse(file.read_text()))}
    return {event if "." in event else f"lease.{event}" for event in found} | {ping.TYPE}


def test_the_page_and_the_code_name_the_same_types() -> None:
    rows = [line.split("|")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    told = {name for row in rows for name in re.findall(r"`((?:lease|webhook)\.[a-z_]+)`", row)}
    assert told == written(), "docs/events.md has a table of types"


def test_the_page_has_an_event_as_it_is_sent() -> None:
    from dure import wire

    example = re.search(r"^    \{\n(?:    .*\n)+", PAGE.read_text(), re.MULTILINE)
    assert example is not None
    assert wire.Event.model_validate_json(example[0]).id == "evt_1207"
