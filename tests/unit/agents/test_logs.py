import json
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents import logs
from tests import foreign_lines


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """The root logger, put back afterwards as it was, with all else that a log takes over."""
    root = logging.getLogger()
    before = root.level
    monkeypatch.setattr(root, "handlers", root.handlers)
    monkeypatch.setattr(logging, "lastResort", logging.lastResort)
    for module, name in ((sys, "excepthook"), (threading, "excepthook"), (sys, "unraisablehook")):
        monkeypatch.setattr(module, name, getattr(module, name))
    yield root
    logging.captureWarnings(False)
    root.setLevel(before)


class Mute:
    def __str__(self) -> str:
        raise LookupError("no")


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_one_json_object_with_its_action_and_what_was_given(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.start("INFO")
    logging.getLogger("agents.x").info(
        "%s is\nlost", "GPU-a", extra={"action": "gpu.lost", "gpu": "GPU-a", "path": object}
    )
    line = _lines(capsys)[0]

    assert (line["level"], line["action"], line["event"], line["gpu"], line["logger"]) == (
        "info",
        "gpu.lost",
        "GPU-a is\nlost",
        "GPU-a",
        "agents.x",
    )
    assert str(line["timestamp"]).endswith("+00:00")


def test_an_exception_is_inside_its_line(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    logs.start("INFO")
    try:
        raise LookupError("gone")
    except LookupError:
        logging.getLogger("agents.x").exception("it broke", extra={"action": "broke"})
    lines = _lines(capsys)

    assert len(lines) == 1
    assert lines[0]["action"] == "broke"
    assert "LookupError: gone" in str(lines[0]["exception"])


def test_quiet_levels_are_left_out(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    logs.start("WARNING")
    logging.getLogger("agents.x").info("nothing")

    assert _lines(capsys) == []


@pytest.mark.parametrize("said", foreign_lines.SAID.values(), ids=foreign_lines.SAID)
def test_what_is_not_said_by_the_agent_is_one_json_object_as_well(said: foreign_lines.Said) -> None:
    foreign_lines.check("from agents import logs; logs.start('INFO')", said)


@pytest.mark.parametrize("lost", foreign_lines.LOST.values(), ids=foreign_lines.LOST)
def test_an_agent_whose_lines_cannot_be_written_works_on(lost: str, tmp_path: Path) -> None:
    says = "import logging; logging.getLogger('agents.x').error('told', extra={'action': 'told'})"
    foreign_lines.check_lost("from agents import logs; logs.start('INFO')", says, lost, tmp_path)


@pytest.mark.parametrize(
    "value", ["deep", "itself", "{(1, 2): 3}", "Mute()"], ids=["too deep", "of itself", "by pairs", "mute"]
)
def test_what_no_json_can_hold_costs_its_caller_nothing_and_is_told(
    root: logging.Logger, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    itself: list[object] = []
    itself.append(itself)
    logs.start("INFO")
    given = {"deep": deep, "itself": itself, "{(1, 2): 3}": {(1, 2): 3}, "Mute()": Mute()}[value]
    logging.getLogger("agents.x").info("told", extra={"action": "told", "given": given})
    assert [line["event"] for line in _lines(capsys)] == ["a line cannot be written: 'told'"]
