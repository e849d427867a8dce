import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import foreign_lines

PROGRAM = """
import structlog
from scheduler import logs
logs.configure()
{before}
structlog.get_logger().info("told", action="told", value={value})
"""
ODD = {
    "of itself": ("one = []; one.append(one)", "one"),
    "too deep": ("one = []\nfor _ in range(100_000): one = [one]", "one"),
    "by pairs": ("", "{(1, 2): 3}"),
    "a number of too many digits": ("", "1 << 100_000"),
    "what says nothing of itself": (
        "class Mute:\n    def __repr__(self): raise LookupError('no')",
        "Mute()",
    ),
}
"""What orjson and json both refuse."""


@pytest.mark.parametrize("value", ["1", "None", "'\\u00e9'", "'\\ud800'", "1 << 70", "{1: 2}", "ValueError('odd')"])
def test_a_line_is_one_json_object_whatever_is_in_it(value: str):
    program = PROGRAM.format(before="", value=value)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    [line] = done.stderr.splitlines()
    found = json.loads(line)
    assert (found["action"], found["event"], found["level"]) == ("told", "told", "info")
    assert found["timestamp"].endswith("Z")
    assert "value" in found


@pytest.mark.parametrize(("before", "value"), ODD.values(), ids=ODD)
def test_what_no_json_can_hold_costs_its_caller_nothing_and_the_rest_of_its_line_is_told(before: str, value: str):
    program = PROGRAM.format(before=before, value=value)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    [line] = done.stderr.splitlines()
    found = json.loads(line)
    assert (found["action"], found["event"]) == ("told", "told")
    assert "cannot be told" in found["value"]


@pytest.mark.parametrize("lost", foreign_lines.LOST.values(), ids=foreign_lines.LOST)
def test_a_process_whose_lines_cannot_be_written_works_on(lost: str, tmp_path: Path):
    says = "import structlog; structlog.get_logger().error('told', action='told')"
    foreign_lines.check_lost("from scheduler import logs; logs.configure()", says, lost, tmp_path)


@pytest.mark.parametrize("said", foreign_lines.SAID.values(), ids=foreign_lines.SAID)
def test_what_is_not_said_by_us_is_one_json_object_as_well(said: foreign_lines.Said):
    foreign_lines.check("from scheduler import logs; logs.configure()", said)


def test_what_a_library_says_in_a_request_has_the_ids_of_that_request():
    said = foreign_lines.Said(
        program="import logging, structlog; structlog.contextvars.bind_contextvars(request_id='r1')\nlogging.warning('odd')",
        line={"action": "library", "request_id": "r1", "logger": "root"},
    )
    foreign_lines.check("from scheduler import logs; logs.configure()", said)


def test_what_a_library_says_below_a_warning_is_not_told():
    program = "from scheduler import logs; logs.configure(); import logging; logging.getLogger('x').info('chatter')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
