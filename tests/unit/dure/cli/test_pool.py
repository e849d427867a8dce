"""dure pool."""

import json
from typing import Any

import pytest

from tests.unit.dure.answers import Api, a_pool, page
from tests.unit.dure.conftest import Run


@pytest.mark.parametrize(
    ("words", "want"),
    [
        pytest.param(
            [],
            {"gap_s": 30, "grace_s": 30, "extension_closes_s": 600, "empty_memory_bytes": 1 << 30},
            id="with the usual rules",
        ),
        pytest.param(
            ["--gap", "2m", "--grace", "0s", "--extension-closes", "5m", "--empty-memory-mib", "512"],
            {"gap_s": 120, "grace_s": 0, "extension_closes_s": 300, "empty_memory_bytes": 512 << 20},
            id="with rules of its own",
        ),
    ],
)
def test_a_pool_is_added(api: Api, run: Run, words: list[str], want: dict[str, Any]) -> None:
    api.on("POST", "/v1/pools", a_pool())
    assert run("pool", "add", "h100-80gb", "--product", "NVIDIA H100 80GB HBM3", *words).exit_code == 0
    policy = {"rule": "late-slots", "slack_ppm": 50_000, "reserve_ppm": 0, "reserve_over_s": 0}
    sent = json.loads(api.seen[0].content)
    assert sent == {"name": "h100-80gb", "product": "NVIDIA H100 80GB HBM3", **policy, **want}


@pytest.mark.parametrize(("option", "value"), [("--gap", "5"), ("--grace", "long")])
def test_a_duration_that_is_none_names_its_option(api: Api, run: Run, option: str, value: str) -> None:
    result = run("pool", "add", "p", "--product", "P", option, value)
    assert (result.exit_code, api.seen) == (2, [])
    assert result.stderr.startswith(f"error: {option}: ")


def test_pools_are_listed_and_shown(api: Api, run: Run) -> None:
    api.on("GET", "/v1/pools", page(a_pool())).on("GET", "/v1/pools/h100-80gb", a_pool())
    assert "1 unhealthy" in run("pool", "list").stdout
    assert "not charged" in run("pool", "show", "h100-80gb").stdout
