import json
import logging
from collections.abc import Iterator

import pytest

from agents import logs


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back afterwards as it was."""
    root, quiet = logging.getLogger(), logging.getLogger("httpx")
    before = (root.handlers, root.level, quiet.level)
    yield root
    root.handlers = before[0]
    root.setLevel(before[1])
    quiet.setLevel(before[2])


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


def test_quiet_levels_are_left_out_and_httpx_says_no_line_a_request(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.start("WARNING")
    logging.getLogger("agents.x").info("nothing")
    logs.start("INFO")
    logging.getLogger("httpx").info("HTTP Request")

    assert _lines(capsys) == []
