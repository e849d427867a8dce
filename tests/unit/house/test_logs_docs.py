"""docs/logs.md has every word that is logged, as the code says it."""

import ast
import re
from pathlib import Path

from docs.made import log_calls, logged, logs
from docs.made.logged import Line

PAGE = Path(__file__).resolve().parents[3] / "docs" / "logs.md"


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text() == logs.page(), "python -m docs.made.logs > docs/logs.md"


def test_words_that_other_pages_send_people_to_look_for_are_on_it() -> None:
    told = set(re.findall(r"^\| `([a-z_.]+)` \|", PAGE.read_text(), re.M))
    assert told >= {
        "library",
        "uncaught",
        "interrupted",
        "request_failed",
        "database_away",
        "deposed",
        "report.refused",
    }


def test_words_are_found_where_they_are_not_said_in_the_call() -> None:
    assert _read('log.info("a", action=f"x.{how}", late_s=1)') == [
        Line(action="x.HOW", sentence="a", levels=("info",), fields=("late_s",))
    ]
    assert [one.action for one in _read('log.info("a", action="one" if first else "two")')] == ["one", "two"]
    assert [one.action for one in _read('log.info("a", action=f"x.{how}")', how="How")] == ["x.up", "x.down"]
    assert [one.action for one in _read('log.info("a", action=it.word)')] == ["begun", "over"]
    assert [one.action for one in _read('log.info("a", action=f"x.{it.how}")', it="Thing")] == ["x.up", "x.down"]


def test_a_sentence_of_a_table_goes_with_its_own_word() -> None:
    found = _read('log.error(SAID[how], 3, action=f"x.{how}")')
    assert [(one.action, one.sentence) for one in found] == [("x.up", "… goes up"), ("x.down", "it is down")]


def test_what_an_argument_is_given_elsewhere_in_the_file_is_known() -> None:
    source = 'def one():\n    tell("first")\n    tell(what=SECOND)\ndef tell(what):\n    log.info("%s", what, extra={"action": "x"})\n'
    assert [one.sentence for one in _lines(source + 'FIRST, SECOND = "one", "two"\n')] == ["first", "two"]


def test_a_variable_that_stands_for_a_logger_has_both_levels() -> None:
    (line,) = _read('write = log.debug if quiet else log.info\n    write("a", action="x")')
    assert line.levels == ("debug", "info")
    (line,) = _read('level = logging.INFO if well else logging.ERROR\n    log.log(level, "a", extra={"action": "x"})')
    assert (line.levels, line.sentence) == (("info", "error"), "a")
    assert _read("found = log.name\n    found()") == []


def test_fields_are_those_of_all_that_a_line_is_given() -> None:
    (line,) = _read(
        'about = {"action": "x", "gpu": 1, **more(2)}\n    about["why"] = 3\n    log.exception("a", extra=about)'
    )
    assert (line.levels, line.fields) == (("error",), ("gpu", "pool", "why", "exception"))
    (line,) = _read('log.info("a", action="x", **{name: row[name] for name in ("who", "node")}, **fault.dump())')
    assert line.fields == ("who", "node", "**fault")


def test_a_line_whose_extra_is_made_elsewhere_has_no_word() -> None:
    (call,) = _calls('def one(about):\n    log.info("a", extra=about)\n')
    assert logged.actions(call) == []


def test_what_is_said_in_two_places_is_one_row() -> None:
    one = Line(action="x", sentence="a | b", levels=("info",), fields=("lease",))
    two = Line(action="x", sentence="a | b", levels=("error",), fields=("**fault",))
    assert logs.table([two, one]).splitlines()[2:] == ["| `x` | info, error | a \\| b | those of `fault`, `lease` |"]


AROUND = """
How = Literal["up", "down"]
SAID: dict[How, str] = {"up": "%d goes up", "down": "it is down"}

class Thing:
    how: How

    @property
    def word(self):
        if self.begins:
            return "begun"
        return "over"

def more(n):
    return {"pool": n}
"""


def _read(body: str, **annotated: str) -> list[Line]:
    given = ", ".join(f"{name}: {of}" for name, of in annotated.items())
    return _lines(f"{AROUND}\ndef it_happens({given}):\n    {body}\n")


def _lines(source: str) -> list[Line]:
    return [line for call in _calls(source) for line in logged.lines(call)]


def _calls(source: str) -> list[log_calls.LogCall]:
    file = ast.parse(source)
    return list(log_calls.of_file("it.py", file, [file]))
