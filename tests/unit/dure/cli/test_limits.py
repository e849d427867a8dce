"""Limits in the words of the command line are those of the wire."""

from typing import Any

import pytest
from pydantic import ValidationError

from dure import wire
from dure.cli import limits
from dure.cli.terminal import BadUsage

SHAPE = {"gpus": 1}


@pytest.mark.parametrize(
    ("limit", "longest"), [(limits.COMPANY, 40), (limits.POOL, 63), (limits.NODE, 253)], ids=["company", "pool", "node"]
)
def test_a_name_is_as_long_as_its_limit_says(limit: str, longest: int) -> None:
    assert f"1 to {longest} of" in limit
    assert limits.name("NAME", "a" * longest, limit) == "a" * longest
    assert limits.name("NAME", limit.rpartition(" ")[2], limit)
    with pytest.raises(BadUsage, match="NAME: "):
        limits.name("NAME", "a" * (longest + 1), limit)


@pytest.mark.parametrize(
    ("model", "given", "want"),
    [
        pytest.param(
            wire.QuotaSet,
            {"gpus": -1},
            ("--gpus", "-1 is not a whole number from 0 to 100000; for example 16"),
            id="gpus",
        ),
        pytest.param(
            wire.PoolCreate,
            {"name": "p", "product": "P", "gap_s": 90_000},
            ("--gap", "1d1h is not from 1s to 1d; for example 30s"),
            id="gap",
        ),
        pytest.param(
            wire.PoolCreate,
            {"name": "p", "product": "P", "empty_memory_bytes": -1 << 20},
            ("--empty-memory-mib", "-1 is not a whole number from 0 to 1048576; for example 1024"),
            id="memory",
        ),
        pytest.param(
            wire.TokenIssue,
            {"role": "admin", "company": "acme"},
            (
                "--role",
                "the token of an admin, operator or auditor is of nobody, a company's needs --company, a node's --node; for example --company acme",
            ),
            id="role",
        ),
        pytest.param(wire.NodeEnroll, {"name": "GPU 1"}, ("NODE", f"'GPU 1' is none: {limits.NODE}"), id="node"),
        pytest.param(wire.QuotaSet, {"gpus": 1, "x": 2}, ("x", "Extra inputs are not permitted"), id="unknown"),
    ],
)
def test_a_wrong_value_is_said_with_its_option_limit_and_example(
    model: type[wire.Wire], given: dict[str, Any], want: tuple[str, str]
) -> None:
    with pytest.raises(ValidationError) as caught:
        model(**given)
    assert limits.of(caught.value) == [want]
