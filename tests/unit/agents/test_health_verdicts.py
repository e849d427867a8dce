import json
from pathlib import Path
from typing import Any

import pytest

from agents.health import verdicts
from agents.health.verdicts import TableError

SHIPPED = json.loads(verdicts.PATH.read_text("utf-8"))


def changed(path: str, value: Any) -> Any:
    """The shipped table with one entry changed; None takes it away."""
    found = json.loads(json.dumps(SHIPPED))
    *way, last = path.split("/")
    at = found
    for name in way:
        at = at[name]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return found


def test_every_xid_of_nvidias_catalogue_is_in_the_table() -> None:
    assert sorted(verdicts.load().xids) == list(range(1, 173))


@pytest.mark.parametrize(
    ("xid", "want"),
    [
        *[pytest.param(xid, ("ok", "none", "none"), id=f"{xid} is the application's") for xid in (13, 31, 43, 45, 68)],
        pytest.param(48, ("unhealthy", "move_leases", "reset"), id="48 is an error that ECC could not correct"),
        pytest.param(79, ("unhealthy", "drain_node", "reboot"), id="79 fell off the bus"),
        pytest.param(94, ("suspect", "no_new_leases", "restart_app"), id="94 hit one application"),
        pytest.param(95, ("unhealthy", "move_leases", "reset"), id="95 hit all of them"),
        pytest.param(109, ("unhealthy", "move_leases", "reset"), id="109 needs a reset"),
        pytest.param(777, ("suspect", "no_new_leases", "time"), id="one that nobody knows"),
    ],
)
def test_an_xid_is_judged_as_nvidia_says(xid: int, want: tuple[str, str, str]) -> None:
    rule = verdicts.load().of_xid(xid)

    assert (rule.verdict, rule.action, rule.back) == want


def test_a_rule_is_found_by_the_key_that_a_finding_keeps() -> None:
    table = verdicts.load()

    assert table.of("xid 79") is table.xids[79]
    assert table.of("xid 777") is table.rules["unknown_xid"]
    assert table.of("remap_failed") is table.rules["remap_failed"]
    assert table.of("a rule of another version") is None


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        pytest.param("version", 2, "version: must be 1", id="another version"),
        pytest.param("more", 1, "the table: more is unknown", id="an unknown part"),
        pytest.param("xids/79/verdict", "sick", "xids.79.verdict: must be one of ok, suspect, unhealthy", id="verdict"),
        pytest.param("xids/79/action", "burn", "xids.79.action: must be one of none", id="an action"),
        pytest.param("xids/79/action", "none", "xids.79: unhealthy takes the action move_leases or", id="no fit"),
        pytest.param("xids/79/back", "prayer", "xids.79.back: must be one of", id="a way back"),
        pytest.param("xids/79/back", ["reset"], "xids.79.back: must be one of", id="a list of ways back"),
        pytest.param("xids/79/back", "none", "xids.79: a way back is for what is not ok", id="no way back"),
        pytest.param("xids/13/back", "time", "xids.13: a way back is for what is not ok", id="back from nothing"),
        pytest.param("xids/79/name", None, "xids.79: name is missing", id="no name"),
        pytest.param("xids/79/meaning", 3, "xids.79.meaning: must be a text", id="a meaning that is no text"),
        pytest.param("xids/79/note", "x", "xids.79: note is unknown", id="a note"),
        pytest.param("xids/079", SHIPPED["xids"]["79"], "xids.079: must be the number of an XID", id="no number"),
        pytest.param("xids/9999", SHIPPED["xids"]["79"], "xids.9999: must be the number", id="a large number"),
        pytest.param("xids/79", 3, "xids.79: must be an object", id="an entry that is none"),
        pytest.param("rules/hot", None, "rules: hot is missing", id="no rule"),
        pytest.param("rules/hotter", SHIPPED["rules"]["hot"], "rules: hotter is unknown", id="an unknown rule"),
        pytest.param("rules/hot/lasting_s", 0, "rules.hot.lasting_s: must be a whole number", id="no time"),
        pytest.param("rules/hot/lasting_s", True, "rules.hot.lasting_s: must be a whole number", id="a truth"),
        pytest.param("rules/lost/lasting_s", 5, "rules.lost: lasting_s is unknown", id="a number of another rule"),
        pytest.param("hold/first_s", 7200, "hold: first_s may not be above longest_s", id="a hold that shrinks"),
        pytest.param("xids", [], "xids: must be an object", id="a list"),
    ],
)
def test_a_table_with_a_mistake_is_refused_and_its_entry_named(
    path: str, value: Any, said: str, tmp_path: Path
) -> None:
    file = tmp_path / "verdicts.json"
    file.write_text(json.dumps(changed(path, value)))

    with pytest.raises(TableError) as caught:
        verdicts.load(file)
    assert str(caught.value).startswith(f"{file}: {said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("{", "line 1 column 2", id="no JSON"),
        pytest.param("[]", "the table: must be an object", id="no object"),
        pytest.param('{"version": 1, "version": 1}', "'version' is there twice", id="the same key twice"),
    ],
)
def test_a_file_that_is_no_table_is_refused(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "verdicts.json"
    file.write_text(text)

    with pytest.raises(TableError, match=said):
        verdicts.load(file)
    with pytest.raises(TableError, match="No such file"):
        verdicts.load(tmp_path / "none.json")
