"""dure whatif."""

import json
from typing import Any

import pytest

from tests.unit.dure.answers import Api, a_pool, a_what_if, page
from tests.unit.dure.conftest import Run


@pytest.fixture
def asked(api: Api) -> Api:
    """An API with one pool of 2 nodes with 8 GPUs each."""
    api.on("GET", "/v1/pools", page(a_pool()))
    api.on("GET", "/v1/pools/h100-80gb", a_pool())
    return api.on("POST", "/v1/whatif", a_what_if())


def sent(api: Api) -> dict[str, Any]:
    return json.loads(api.seen[-1].content)


def test_everything_that_may_be_different_is_sent(asked: Api, run: Run) -> None:
    words = [
        "--quota",
        "acme=32",
        "--quota",
        "beta=0",
        "--add-node",
        "2",
        "--add-node",
        "1:4",
        "--remove-node",
        "gpu-01",
    ]
    rules = "rule=earliest-slot, slack=7.5%, reserve=0.2, reserve-over=1h, seniority=4h"
    result = run("whatif", *words, "--policy", rules, "--pool", "h100-80gb")
    assert result.exit_code == 0
    assert sent(asked) == {
        "pool": "h100-80gb",
        "quotas": [{"company": "acme", "gpus": 32}, {"company": "beta", "gpus": 0}],
        "add_nodes": [{"count": 2, "gpus": 8}, {"count": 1, "gpus": 4}],
        "remove_nodes": ["gpu-01"],
        "policy": {
            "rule": "earliest-slot",
            "slack_ppm": 75_000,
            "reserve_ppm": 200_000,
            "reserve_over_s": 3600,
            "seniority_s": 14_400,
        },
    }


@pytest.mark.parametrize(
    ("rules", "want"),
    [
        pytest.param(
            "reserve=20%:1h", {"reserve_ppm": 200_000, "reserve_over_s": 3600}, id="as dure pool policy takes it"
        ),
        pytest.param("reserve=0.2:1h", {"reserve_ppm": 200_000, "reserve_over_s": 3600}, id="a part of the whole"),
        pytest.param("reserve=none", {"reserve_ppm": 0, "reserve_over_s": 0}, id="none"),
        pytest.param("reserve=20%", {"reserve_ppm": 200_000}, id="the part alone"),
        pytest.param("walk-in=20%", {"walk_in_ppm": 200_000}, id="a part for walk-ins"),
        pytest.param("walk-in=0.2:2h", {"walk_in_ppm": 200_000, "walk_in_within_s": 7200}, id="within longer"),
        pytest.param("walk-in=none", {"walk_in_ppm": 0}, id="no part for walk-ins"),
    ],
)
def test_a_reserve_is_said_in_one(asked: Api, run: Run, rules: str, want: dict[str, int]) -> None:
    assert run("whatif", "--policy", rules).exit_code == 0
    assert sent(asked)["policy"] == want


def test_the_answer_is_a_sentence_and_a_lease_a_line(asked: Api, run: Run) -> None:
    said = run("whatif", "--quota", "acme=32").stdout
    assert said.startswith("Of 3 leases that wait, 1 would stand differently")
    [line] = [line for line in said.splitlines() if line.startswith("lea_1")]
    assert "earlier" in line
    assert "1h" in line


def test_the_past_is_asked_about_with_times(asked: Api, run: Run) -> None:
    run("whatif", "--since", "2026-11-23 09:00", "--until", "2026-11-24 09:00")
    body = sent(asked)
    assert (body["since"], body["until"]) == ("2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param([], "say what would be different", id="nothing"),
        pytest.param(["--quota", "acme"], "for example acme=32", id="a quota without a number"),
        pytest.param(["--quota", "acme=many"], "for example acme=32", id="a quota that is no number"),
        pytest.param(["--quota", "acme=-1"], "for example acme=32", id="a quota below zero"),
        pytest.param(["--policy", "reserve=20%:soon"], "'soon' is no duration", id="a reserve over what"),
        pytest.param(["--policy", "walk-in=20%:soon"], "'soon' is no duration", id="walk-ins within what"),
        pytest.param(["--policy", "walk-in=101%"], "walk-in=20%", id="more than the pool for walk-ins"),
        pytest.param(["--quota", "Acme=1"], "--quota", id="no company"),
        pytest.param(["--add-node", "0"], "for example 2 or 2:8", id="no nodes"),
        pytest.param(["--add-node", "1:"], "for example 2:8", id="a node of nothing"),
        pytest.param(["--add-node", "9999999"], "from 1 to 1000", id="too many nodes"),
        pytest.param(["--remove-node", "GPU 1"], "--remove-node", id="no node"),
        pytest.param(["--policy", "fair=1"], "'fair=1' is no rule", id="no rule"),
        pytest.param(["--policy", "slack=lots"], "write 5% or 0.05", id="no part of a whole"),
        pytest.param(["--policy", "slack=500%"], "slack=5%", id="more than the whole"),
        pytest.param(["--policy", "rule=random"], "one of late-slots", id="a rule nobody knows"),
        pytest.param(["--policy", "seniority=4"], "--policy", id="a duration without a unit"),
        pytest.param(["--until", "2026-11-24 09:00", "--quota", "a=1"], "needs --since", id="until alone"),
        pytest.param(["--since", "2026-11-24 09:00", "--until", "2026-11-23 09:00"], "after --since", id="backwards"),
    ],
)
def test_what_cannot_be_meant_is_not_sent(asked: Api, run: Run, words: list[str], says: str) -> None:
    result = run("whatif", *words)
    assert result.exit_code == 2
    assert says in result.stderr
    assert [request.url.path for request in asked.seen if request.url.path == "/v1/whatif"] == []


def test_the_pool_is_named_where_there_are_several(asked: Api, run: Run) -> None:
    asked.on("GET", "/v1/pools", page(a_pool(), a_pool("a100")))
    result = run("whatif", "--quota", "acme=1")
    assert (result.exit_code, "h100-80gb, a100; say which" in result.stderr) == (2, True)


def test_the_size_of_a_node_is_said_where_no_node_says_it(asked: Api, run: Run) -> None:
    asked.on("GET", "/v1/pools/h100-80gb", a_pool(nodes=0, gpus={}))
    result = run("whatif", "--add-node", "2")
    assert (result.exit_code, "for example 2:8" in result.stderr) == (2, True)
