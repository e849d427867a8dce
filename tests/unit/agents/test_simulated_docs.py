"""docs/simulated.md says what a scenario takes, no more and no less."""

import re
from pathlib import Path
from typing import get_args

import yaml

from agents.scenario import FaultKind, Scenario
from agents.scenario.faults import ANY, TAKES, Fault
from agents.scenario.fleet import Shape

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "simulated.md").read_text()


def test_its_example_is_a_scenario() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    found = Scenario.model_validate(yaml.safe_load(block))

    assert found.of_node("node-410").layout(0) == ("1g.10gb", "1g.10gb", "2g.20gb", "3g.40gb")
    assert (found.of_node("node-7").layout(1), found.of_node("h200-50").island) == ((), 4)


def test_every_kind_of_fault_is_there_with_what_it_takes() -> None:
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|[^|]+\|$", PAGE, re.MULTILINE)

    assert {kind: tuple(re.findall(r"`(\w+)`", takes)) for kind, takes in rows} == {
        kind: TAKES.get(kind, ()) for kind in get_args(FaultKind)
    }


def test_every_field_is_named() -> None:
    named = set(re.findall(r"`(\w+)`|^(\w+):", PAGE, re.MULTILINE))
    words = {word for pair in named for word in pair if word}

    assert {*Scenario.model_fields, *Shape.model_fields, *Fault.model_fields} <= words


def test_what_all_faults_take_is_what_none_lists_for_itself() -> None:
    assert not {name for takes in TAKES.values() for name in takes} & set(ANY)
