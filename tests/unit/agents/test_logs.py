import json
import logging
import sys
import threading
from collections.abc import Iterator

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
