import json
import subprocess
import sys

import pytest

from tests import foreign_lines

PROGRAM = """
import structlog
from scheduler import logs
logs.configure()
structlog.get_logger().info("told", action="told", value={value})
"""


@pytest.mark.parametrize("value", ["1", "None", "'\\u00e9'", "'\\ud800'", "1 << 70", "{1: 2}", "ValueError('odd')"])
def test_a_line_is_one_json_object_whatever_is_in_it(value: str):
    program = PROGRAM.format(value=value)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    [line] = done.stderr.splitlines()
    found = json.loads(line)
    assert (found["action"], found["event"], found["level"]) == ("told", "told", "info")
    assert found["timestamp"].endswith("Z")
    assert "value" in found


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
