"""dure quota."""

import json

import pytest

from tests.unit.dure.answers import Api, a_quota, page
from tests.unit.dure.conftest import Run


@pytest.mark.parametrize("gpus", [0, 16])
def test_a_quota_is_set(api: Api, run: Run, gpus: int) -> None:
    api.on("PUT", "/v1/companies/acme/quotas/h100-80gb", a_quota(gpus=gpus))
    assert f"{gpus} GPUs at once" in run("quota", "set", "acme", "h100-80gb", "--gpus", str(gpus)).stdout
    assert json.loads(api.seen[0].content) == {"gpus": gpus}


@pytest.mark.parametrize(("gpus", "code"), [("-1", 2), ("100001", 2), ("many", 2), ("1.5", 2)])
def test_what_is_no_quota_is_not_sent(api: Api, run: Run, gpus: str, code: int) -> None:
    assert run("quota", "set", "acme", "p", "--gpus", gpus).exit_code == code
    assert api.seen == []


def test_quotas_are_shown_beside_what_is_held(api: Api, run: Run) -> None:
    api.on("GET", "/v1/companies/acme/quotas", page(a_quota()))
    assert run("quota", "show", "acme").stdout.splitlines()[1].split() == ["h100-80gb", "16", "8", "12"]
