"""Every line that is logged has an `action` word, by which it is found for ever, whatever its sentence becomes."""

import re

import pytest

from docs.made import log_calls, logged, logs
from docs.made.log_calls import LogCall

WORD = re.compile(r"[a-z]+(_[a-z]+)*(\.[a-z]+(_[a-z]+)*)?")
FEWEST = {"api": 10, "scheduler": 10, "agents": 10, "dure": 3}
"""So that a way of logging that is no longer found is noticed."""

SAME_HAPPENING = {
    ("api", "database_away"): "it is away, also while the process begins",
    ("scheduler", "database_away"): "it is away, also while the process begins",
    ("scheduler", "kube_failed"): "a fault of ours in what enforces leases on a cluster; the traceback says where",
    ("scheduler", "kube_lines_lost"): "last lines of a container are lost, before they were read or after",
    ("scheduler", "part_put_off"): "a month's part of a table is made or removed later",
    ("scheduler", "violation.ended"): "it is over, as the agent says or as nobody can see it",
    ("agents", "credential.renewed"): "the agent goes on with another credential, its own or one it was given",
    ("agents", "gpu.forgotten"): "somebody asked to forget a GPU, of which something was known or nothing",
    ("agents", "health.not_kept"): "a restart would forget which GPUs are sick, by the disk's fault or by ours",
    ("agents", "nvml.closed"): "what was to be closed had gone with the driver, the driver itself or its events",
    ("agents", "nvml.xid"): "the driver told of an XID, of a GPU with a name or without",
    ("dure", "uncaught"): "nobody caught an exception; `in_thread` says where",
}
"""Why one word has several sentences."""


@pytest.mark.parametrize("package", FEWEST)
def test_every_line_has_its_action(package: str) -> None:
    found = log_calls.found(package)
    assert len(found) > FEWEST[package]
    assert [one.where for one in found if not _is_named(one)] == []


def _is_named(one: LogCall) -> bool:
    """By a word that is said in the call, or in everything that its `extra` may be."""
    return len(one.action) == max(1, len(one.extras))


@pytest.mark.parametrize("package", FEWEST)
def test_an_action_is_one_word_in_lower_case_that_can_be_read_in_the_code(package: str) -> None:
    said = {(one.where, line.action) for one in log_calls.found(package) for line in logged.lines(one)}
    assert [(where, word) for where, word in sorted(said) if not WORD.fullmatch(word)] == []


@pytest.mark.parametrize("package", FEWEST)
def test_a_logger_is_called_log_by_which_its_lines_are_found(package: str) -> None:
    made = re.compile(r"^.*(?:getLogger\(__name__|get_logger\().*$", re.M)
    paths = sorted((log_calls.TREE / package).rglob("*.py"))
    found = [(str(path.relative_to(log_calls.TREE)), line) for path in paths for line in made.findall(path.read_text())]
    assert found
    assert [(where, line) for where, line in found if not line.startswith("log = ")] == []


def test_a_word_is_of_one_happening() -> None:
    said: dict[tuple[str, str], set[str]] = {}
    for package in FEWEST:
        for line in logs.lines(package):
            said.setdefault((package, line.action), set()).add(line.sentence)
    assert {word for word, sentences in said.items() if len(sentences) > 1} == SAME_HAPPENING.keys()
