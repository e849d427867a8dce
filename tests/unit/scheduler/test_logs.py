import json
import subprocess
import sys

import pytest

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
