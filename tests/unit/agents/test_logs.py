import json
import logging
from collections.abc import Iterator

import pytest

from agents import logs


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back afterwards as it was."""
    root = logging.getLogger()
    before = (root.handlers, root.level)
    yield root
    root.handlers = before[0]
    root.setLevel(before[1])


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
        logging.getLogger("agents.x").exception("it broke")
    lines = _lines(capsys)

    assert len(lines) == 1
    assert lines[0]["action"] == "log"
    assert "LookupError: gone" in str(lines[0]["exception"])


def test_quiet_levels_are_left_out(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    logs.start("WARNING")
    logging.getLogger("agents.x").info("nothing")

    assert _lines(capsys) == []
