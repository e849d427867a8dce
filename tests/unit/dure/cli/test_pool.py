"""dure pool."""

import json
from typing import Any

import pytest

from dure.policy_keys import POOL
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
        pytest.param(
            ["--cluster", "main", "--resource", "nvidia.com/mig-1g.10gb"],
            {
                "cluster": "main",
                "resource": "nvidia.com/mig-1g.10gb",
                "gap_s": 30,
                "grace_s": 30,
                "extension_closes_s": 600,
                "empty_memory_bytes": 1 << 30,
            },
            id="in a cluster",
        ),
    ],
)
def test_a_pool_is_added(api: Api, run: Run, words: list[str], want: dict[str, Any]) -> None:
    api.on("POST", "/v1/pools", a_pool())
    named = ("h100-80gb", "--product", "NVIDIA H100 80GB HBM3")
    assert run("pool", "add", *named, *words, "--why", "they came").exit_code == 0
    assert dict(api.seen[0].url.params) == {"reason": "they came"}
    policy = {"rule": "late-slots", "slack_ppm": 50_000, "reserve_ppm": 0, "reserve_over_s": 0, "renews_before_s": 1800}
    policy |= {"loss_grace_s": 300, "keeps": 2, "idle_below_ppm": 50_000, "inference_idle_below_ppm": 10_000}
    policy |= {"walk_in_ppm": 0, "walk_in_within_s": 3600, "violations": "observe"}
    policy |= {
        "contended": "none",
        "contended_ppm": 900_000,
        "half_life_s": 604_800,
        "entry_s": 3600,
        "spot_least_s": 600,
    }
    sent = json.loads(api.seen[0].content)
    assert sent == {
        "name": "h100-80gb",
        "product": "NVIDIA H100 80GB HBM3",
        "resource": "nvidia.com/gpu",
        **policy,
        **want,
    }


def test_a_pool_is_said_to_be_enforced_by_a_cluster_and_by_none(api: Api, run: Run) -> None:
    api.on("PATCH", "/v1/pools/h100-80gb", a_pool())
    assert run("pool", "enforce", "h100-80gb", "--cluster", "main").exit_code == 0
    assert run("pool", "enforce", "h100-80gb", "--cluster", "none", "--resource", "nvidia.com/gpu").exit_code == 0
    sent = [json.loads(request.content) for request in api.seen]
    assert sent == [{"cluster": "main"}, {"cluster": None, "resource": "nvidia.com/gpu"}]


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_a_cluster_that_no_scheduler_is_told_of_is_said_to_whoever_named_it(
    api: Api, run: Run, flags: tuple[str, ...]
) -> None:
    api.on("PATCH", "/v1/pools/h100-80gb", a_pool(cluster="mian", cluster_state="unknown"))
    result = run("pool", "enforce", "h100-80gb", "--cluster", "mian", *flags)
    assert result.exit_code == 0
    assert result.stderr.startswith(
        "nobody enforces the leases of pool h100-80gb: no scheduler is told of cluster mian"
    )
    assert "dure pool enforce h100-80gb --cluster NAME" in " ".join(result.stderr.split())
    api.on("PATCH", "/v1/pools/h100-80gb", a_pool(cluster="main", cluster_state="ok"))
    assert run("pool", "enforce", "h100-80gb", "--cluster", "main", *flags).stderr == ""


def test_enforcing_nothing_in_particular_is_bad_usage(run: Run) -> None:
    result = run("pool", "enforce", "h100-80gb")
    assert result.exit_code == 2
    assert "--cluster: name the cluster" in result.stderr


@pytest.mark.parametrize("why", [(), ("--why", "  ")], ids=["nothing", "blanks"])
@pytest.mark.parametrize(
    "words", [("add", "p", "--product", "P"), ("policy", "p", "--slack", "3%")], ids=["a new pool", "a changed policy"]
)
def test_how_a_pool_promises_is_said_with_a_reason(
    api: Api, run: Run, words: tuple[str, ...], why: tuple[str, ...]
) -> None:
    result = run("pool", *words, *why)
    assert (result.exit_code, api.seen) == (2, [])
    assert result.stderr.startswith("error: --why: say why: it stays in the policy's history; for example --why ")


@pytest.mark.parametrize(("option", "value"), [("--gap", "5"), ("--grace", "long")])
def test_a_duration_that_is_none_names_its_option(api: Api, run: Run, option: str, value: str) -> None:
    result = run("pool", "add", "p", "--product", "P", option, value)
    assert (result.exit_code, api.seen) == (2, [])
    assert result.stderr.startswith(f"error: {option}: ")


def test_pools_are_listed_and_shown(api: Api, run: Run) -> None:
    api.on("GET", "/v1/pools", page(a_pool())).on("GET", "/v1/pools/h100-80gb", a_pool())
    assert "1 unhealthy" in run("pool", "list").stdout
    assert "not charged" in run("pool", "show", "h100-80gb").stdout


@pytest.mark.parametrize(
    ("words", "want"),
    [
        pytest.param(["--slack", "7.5%"], {"slack_ppm": 75_000}, id="one thing"),
        pytest.param(["--rule", "only-earlier"], {"rule": "only-earlier"}, id="the rule"),
        pytest.param(["--reserve", "2%:1h"], {"reserve_ppm": 20_000, "reserve_over_s": 3600}, id="a reserve"),
        pytest.param(["--reserve", "none"], {"reserve_ppm": 0, "reserve_over_s": 0}, id="no reserve"),
        pytest.param(["--walk-in", "20%"], {"walk_in_ppm": 200_000}, id="a part for walk-ins"),
        pytest.param(["--walk-in", "20%:2h"], {"walk_in_ppm": 200_000, "walk_in_within_s": 7200}, id="within longer"),
        pytest.param(["--walk-in", "none"], {"walk_in_ppm": 0}, id="no part for walk-ins"),
        pytest.param(["--seniority", "none"], {"seniority_s": None}, id="no seniority"),
        pytest.param(["--extension-closes", "5m"], {"extension_closes_s": 300}, id="when extending closes"),
        pytest.param(["--renews-before", "1h"], {"renews_before_s": 3600}, id="when leases renew themselves"),
        pytest.param(["--contended", "80%"], {"contended": "booked", "contended_ppm": 800_000}, id="when shares count"),
        pytest.param(["--contended", "none"], {"contended": "none"}, id="shares never count"),
        pytest.param(["--contended", "always"], {"contended": "always"}, id="shares always count"),
        pytest.param(["--half-life", "1d", "--entry", "30m"], {"half_life_s": 86_400, "entry_s": 1800}, id="how"),
        pytest.param(["--spot", "20m"], {"spot_least_s": 1200}, id="what is lent as spot"),
        pytest.param(["--spot", "none"], {"spot_least_s": None}, id="no spot"),
        pytest.param(["--no-show-after", "30m"], {"no_show_after_s": 1800}, id="no-show"),
        pytest.param(["--no-show-after", "none"], {"no_show_after_s": None}, id="no no-show"),
        pytest.param(["--keeps", "0"], {"keeps": 0}, id="keeps"),
        pytest.param(
            ["--idle-after", "2h", "--idle-below", "7.5%"], {"idle_after_s": 7200, "idle_below_ppm": 75_000}, id="idle"
        ),
        pytest.param(
            ["--inference-idle-after", "none", "--inference-idle-below", "1%"],
            {"inference_idle_after_s": None, "inference_idle_below_ppm": 10_000},
            id="idle inference",
        ),
        pytest.param(["--seniority", "0s", "--slack", "0%"], {"seniority_s": 0, "slack_ppm": 0}, id="zeros"),
    ],
)
def test_what_is_named_of_a_policy_is_sent_and_nothing_else(
    api: Api, run: Run, words: list[str], want: dict[str, Any]
) -> None:
    api.on("PATCH", "/v1/pools/h100-80gb/policy", a_pool())
    assert run("pool", "policy", "h100-80gb", *words, "--why", "for June").exit_code == 0
    assert [dict(request.url.params) for request in api.seen] == [{"reason": "for June"}]
    assert [json.loads(request.content) for request in api.seen] == [want]


@pytest.mark.parametrize("command", [["policy", "p"], ["add", "p", "--product", "P"]], ids=["changed", "new"])
@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(["--rule", "random"], "--rule: 'random' is none: one of late-slots", id="a rule nobody knows"),
        pytest.param(["--slack", "500%"], "--slack: 500% is not from 0% to 200%", id="more slack than there is"),
        pytest.param(["--slack", "lots"], "--slack: 'lots' is no percentage", id="no number"),
        pytest.param(["--reserve", "2%"], "--reserve: '2%' is no reserve", id="half a reserve"),
        pytest.param(["--reserve", "100%:1h"], "--reserve: 100% is not from 0%", id="all of the pool"),
        pytest.param(["--walk-in", "101%"], "--walk-in: 101% is not from 0% to 100%", id="more than the pool"),
        pytest.param(["--walk-in", "20%:5s"], "--walk-in: 5s is not within 1m to 7d", id="within no time"),
        pytest.param(["--walk-in", "20%:"], "--walk-in: '' is no duration", id="within what"),
        pytest.param(["--renews-before", "30s"], "--renews-before: 30s is not from 1m to 1d", id="too late to renew"),
        pytest.param(["--contended", "sometimes"], "--contended: 'sometimes' is no percentage", id="no part"),
        pytest.param(["--contended", "101%"], "--contended: 101% is not none, always, or from 0%", id="more than all"),
        pytest.param(["--half-life", "5s"], "--half-life: 5s is not from 1m to 3650d", id="a half-life of nothing"),
        pytest.param(["--entry", "90d"], "--entry: 90d is not from 0s to 60d", id="an entry beyond the horizon"),
        pytest.param(["--seniority", "90d"], "--seniority: 90d is not from 0s to 60d", id="beyond the horizon"),
    ],
)
def test_a_policy_that_cannot_be_names_its_option(
    api: Api, run: Run, command: list[str], words: list[str], says: str
) -> None:
    result = run("pool", *command, *words)
    assert (result.exit_code, api.seen) == (2, [])
    assert says in result.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(["--spot", "5s"], "--spot: 5s is not from 1m to 1d, for example 10m, or none", id="too short"),
        pytest.param(["--spot", "lots"], "--spot: 'lots' is not right; from 1m to 1d", id="no length"),
        pytest.param(["--keeps", "11"], "--keeps: 11 is not a whole number from 0 to 10", id="too often"),
        pytest.param(["--keeps", "-1"], "--keeps: '-1' is not right; a whole number from 0", id="less than never"),
        pytest.param(["--idle-after", "5m"], "--idle-after: 5m is not from 20m to 7d", id="idle too soon"),
        pytest.param(["--idle-below", "0%"], "--idle-below: 0% is not from 0.0001% to 100%", id="never idle"),
        pytest.param(["--no-show-after", "2d"], "--no-show-after: 2d is not from 1m to 1d", id="no-show too late"),
    ],
)
def test_what_is_lent_and_taken_back_that_cannot_be_names_its_option(
    api: Api, run: Run, words: list[str], says: str
) -> None:
    result = run("pool", "policy", "p", *words)
    assert (result.exit_code, api.seen) == (2, [])
    assert says in result.stderr


@pytest.mark.parametrize(("least_s", "says"), [(600, "idle for 10m are lent"), (None, "no GPUs are lent")])
def test_a_pool_says_what_it_lends_as_spot(api: Api, run: Run, least_s: int | None, says: str) -> None:
    api.on("GET", "/v1/pools/h100-80gb", a_pool(spot_least_s=least_s))
    assert says in run("pool", "show", "h100-80gb").stdout


def test_every_key_of_the_policy_file_that_says_what_is_lent_or_taken_back_is_an_option(run: Run) -> None:
    shown = " ".join(run("pool", "policy", "--help").stdout.split())
    for key in POOL:
        if key.name.startswith(("spot", "no_show", "keeps", "idle", "inference")):
            assert key.option in shown


def test_a_policy_of_nothing_says_what_could_be_changed(api: Api, run: Run) -> None:
    result = run("pool", "policy", "p")
    assert (result.exit_code, api.seen) == (2, [])
    assert "--rule: or another of its options: say what to change; for example --slack 5%" in result.stderr
