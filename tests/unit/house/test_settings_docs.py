"""docs/settings.md is what the code says, and leaves no setting out."""

import re
from pathlib import Path

from docs.made import settings, values
from dure import variables

PAGE = Path(__file__).resolve().parents[3] / "docs" / "settings.md"


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text() == settings.markdown(), "python -m docs.made.settings > docs/settings.md"


def test_every_variable_that_processes_share_is_on_the_page() -> None:
    told = set(re.findall(r"^\| `(DURE_[A-Z_]+)`", PAGE.read_text(), re.M))
    assert told >= variables.SHARED


def test_a_bound_is_said_with_the_kind_of_value() -> None:
    assert values.between(int | None, 1, 60) == "a whole number, 1 to 60"
    assert values.between(float, 0.5, None) == "a number, 0.5 or more"


def test_what_is_not_set_is_not_said_as_an_empty_value() -> None:
    assert [values.said(one) for one in (None, (), False, 1.0, frozenset({"b", "a"}))] == ["", "", "false", "1", "a,b"]
