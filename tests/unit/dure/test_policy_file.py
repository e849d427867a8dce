"""The policy file: what it says, what is wrong with it and where, and that writing and reading are each other's inverse."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dure import policy_file, wire
from dure.policy_file import PolicyFileError
from dure.policy_keys import POOL, PROGRAMME
from dure.wire import HORIZON_S
from dure.wire.policies import differences

LIVE = wire.Policy(
    version=7,
    at=datetime(2026, 11, 24, tzinfo=UTC),
    actor="admin:tok_1",
    reason=None,
    programme=wire.ProgrammePolicy(zone="Asia/Seoul"),
    pools={
        "h100-80gb": wire.PoolPolicy(seniority_s=3600),
        "a100": wire.PoolPolicy(grace_s=900, extension_closes_s=900),
    },
)

FILE = b"""\
version: 7
programme:
  zone: Europe/Berlin
pools:
  h100-80gb:
    rule: only-earlier
    slack: 12.5%
    reserve: 2%:1h30m
    walk_in: 20%
    walk_in_within: 2h
    seniority: none
    gap: 90s
    empty_memory: 512MiB
"""


def said(data: bytes) -> list[str]:
    """What is wrong with a file, as it is completed by what is live."""
    try:
        policy_file.complete(policy_file.read(data), LIVE)
    except PolicyFileError as error:
        return [str(one) for one in error.mistakes]
    return []


def test_a_file_changes_what_it_says_and_leaves_the_rest() -> None:
    found = policy_file.complete(policy_file.read(FILE), LIVE)
    assert found.version == 7
    assert {one.where: (one.before, one.after) for one in differences(LIVE, found)} == {
        "programme.zone": ("Asia/Seoul", "Europe/Berlin"),
        "pools.h100-80gb.rule": ("late-slots", "only-earlier"),
        "pools.h100-80gb.slack_ppm": (50_000, 125_000),
        "pools.h100-80gb.reserve_ppm": (0, 20_000),
        "pools.h100-80gb.reserve_over_s": (0, 5400),
        "pools.h100-80gb.walk_in_ppm": (0, 200_000),
        "pools.h100-80gb.walk_in_within_s": (3600, 7200),
        "pools.h100-80gb.seniority_s": (3600, None),
        "pools.h100-80gb.gap_s": (30, 90),
        "pools.h100-80gb.empty_memory_bytes": (1 << 30, 512 << 20),
    }


def test_every_field_of_the_policy_has_one_key() -> None:
    for keys, kind in ((PROGRAMME, wire.ProgrammePolicy), (POOL, wire.PoolPolicy)):
        assert sorted(field for key in keys for field in key.fields) == sorted(kind.model_fields)


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        pytest.param(b"programme: {}\n", ["line 1: version: it is missing"], id="no version"),
        pytest.param(b"version: yes\n", ["line 1: version: 'yes' is no version"], id="a version that is no number"),
        pytest.param(b"version: 0\n", ["line 1: version: '0' is no version"], id="version 0"),
        pytest.param(
            b"- 1\n", ["line 1: keys belong here, for example version: ..., and there is a list"], id="a list"
        ),
        pytest.param(
            b"version: 7\npool: {}\n",
            ["line 2: pool: there is no such key; there are version, programme, pools"],
            id="an unknown part",
        ),
        pytest.param(
            b"version: 7\npools:\n  a100:\n    slak: 5%\n",
            ["line 4: pools.a100.slak: there is no such key; there are rule, slack, reserve"],
            id="an unknown key",
        ),
        pytest.param(
            b"version: 7\npools:\n  h200:\n    slack: 5%\n",
            ["line 3: pools.h200: there is no such pool; there are a100, h100-80gb, and `dure pool add` adds one"],
            id="an unknown pool",
        ),
        pytest.param(
            b"version: 7\npools:\n  H_200: {}\n",
            ["line 3: pools: 'H_200' is no name of a pool"],
            id="a name that is none",
        ),
        pytest.param(
            b"version: 7\npools:\n  a100:\n    slack: 300%\n    gap: 0s\n    rule: soon\n    renews_before: [30m]\n",
            [
                "line 4: pools.a100.slack: '300%' is not right; from 0% to 200%, for example 5%",
                "line 5: pools.a100.gap: '0s' is not right; from 1s to 1d, for example 30s",
                "line 6: pools.a100.rule: 'soon' is not right; late-slots, earliest-slot or only-earlier",
                "line 7: pools.a100.renews_before: a list is not right; from 1m to 1d, for example 30m",
            ],
            id="several at once, each by its line",
        ),
        pytest.param(
            b"version: 7\npools:\n  a100:\n    slack: 5\n    gap: 30\n    seniority:\n    empty_memory: 1.5GiB\n",
            [
                "line 4: pools.a100.slack: '5' is not right",
                "line 5: pools.a100.gap: '30' is not right",
                "line 6: pools.a100.seniority: nothing is not right; from 0s to 60d, for example 6h, or none",
                "line 7: pools.a100.empty_memory: '1.5GiB' is not right",
            ],
            id="amounts without their units",
        ),
        pytest.param(
            b"version: 7\nprogramme:\n  zone: ../../etc/passwd\n",
            ["line 3: programme.zone: '../../etc/passwd' is not right; an IANA zone"],
            id="a zone that is a path",
        ),
        pytest.param(
            b"version: 7\npools:\n  h100-80gb:\n    grace: 20m\n",
            [
                "line 4: pools.h100-80gb.extension_closes: a lease is never extended in its grace, so it is at least the grace"
            ],
            id="a grace that contradicts what is live",
        ),
        pytest.param(
            b"version: 7\npools:\n  h100-80gb:\n    extension_closes: 1m\n    grace: 20m\n",
            ["line 4: pools.h100-80gb.extension_closes: a lease is never extended in its grace"],
            id="two keys that contradict each other",
        ),
        pytest.param(b"a: 1\na: 2\n", ["line 2: a is said twice"], id="no document at all"),
    ],
)
def test_every_mistake_is_named_with_its_line_and_what_would_be_right(data: bytes, wrong: list[str]) -> None:
    found = said(data)
    assert len(found) == len(wrong)
    for one, begins in zip(found, wrong, strict=True):
        assert one.startswith(begins), one


def test_a_key_that_contradicts_only_a_default_is_right() -> None:
    assert said(b"version: 7\npools:\n  a100:\n    grace: 15m\n") == []


def test_no_more_mistakes_are_told_than_can_be_read() -> None:
    many = b"version: 7\npools:\n" + b"".join(b"  H%d: {}\n" % number for number in range(100))
    assert len(said(many)) == policy_file.MOST_SHOWN


def test_more_pools_than_there_may_be_are_refused_at_once() -> None:
    many = b"version: 7\npools:\n" + b"".join(b"  p%d: {}\n" % number for number in range(600))
    assert said(many) == ["line 3: pools: there are 600 pools, and 500 is the most"]


def _seconds(least: int, most: int) -> st.SearchStrategy[int]:
    return st.integers(least, most) | st.sampled_from([least, most])


def _pool(values: dict[str, Any]) -> wire.PoolPolicy:
    return wire.PoolPolicy(**{**values, "extension_closes_s": max(values["extension_closes_s"], values["grace_s"])})


pool_policies = st.fixed_dictionaries(
    {
        "gap_s": _seconds(1, 86_400),
        "grace_s": _seconds(0, 3600),
        "extension_closes_s": _seconds(0, 86_400),
        "renews_before_s": _seconds(60, 86_400),
        "empty_memory_bytes": st.integers(0, 1 << 40) | st.integers(0, 1 << 10).map(lambda many: many << 30),
        "rule": st.sampled_from(["late-slots", "earliest-slot", "only-earlier"]),
        "slack_ppm": st.integers(0, 2_000_000),
        "reserve_ppm": st.integers(0, 999_999) | st.just(0),
        "reserve_over_s": _seconds(0, HORIZON_S),
        "walk_in_ppm": st.integers(0, 1_000_000) | st.just(0),
        "walk_in_within_s": _seconds(60, 604_800),
        "seniority_s": st.none() | _seconds(0, HORIZON_S),
        "loss_grace_s": _seconds(0, 86_400),
        "no_show_after_s": st.none() | _seconds(60, 86_400),
        "keeps": st.integers(0, 10),
        "idle_after_s": st.none() | _seconds(1200, 604_800),
        "idle_below_ppm": st.integers(1, 1_000_000),
        "inference_idle_after_s": st.none() | _seconds(1200, 604_800),
        "inference_idle_below_ppm": st.integers(1, 1_000_000),
        "contended": st.sampled_from(["none", "booked", "always"]),
        "contended_ppm": st.integers(0, 1_000_000),
        "half_life_s": _seconds(60, 3650 * 86_400),
        "entry_s": _seconds(0, HORIZON_S),
    }
).map(_pool)

policies = st.builds(
    wire.Policy,
    version=st.integers(1, 10**12),
    at=st.just(LIVE.at),
    actor=st.just("admin:tok_1"),
    reason=st.none(),
    programme=st.builds(wire.ProgrammePolicy, zone=st.sampled_from(["UTC", "Asia/Seoul", "America/St_Johns"])),
    pools=st.dictionaries(
        st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,10}[a-z0-9])?", fullmatch=True), pool_policies, max_size=4
    ),
)


@given(policies)
def test_what_is_written_reads_as_the_same_and_is_written_again_byte_for_byte(policy: wire.Policy) -> None:
    text = policy_file.write(policy)
    blank = policy.model_copy(
        update={"programme": wire.ProgrammePolicy(), "pools": dict.fromkeys(policy.pools, wire.PoolPolicy())}
    )
    put = policy_file.complete(policy_file.read(text.encode()), blank)
    assert (put.version, put.programme, put.pools) == (policy.version, policy.programme, policy.pools)
    again = policy.model_copy(update={"programme": put.programme, "pools": put.pools})
    assert policy_file.write(again) == text


@given(policies, st.data())
def test_what_is_written_of_one_pool_changes_only_that_one(policy: wire.Policy, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(policy.pools))) if policy.pools else None
    if name is None:
        return
    put = policy_file.complete(policy_file.read(policy_file.write(policy, pool=name).encode()), policy)
    assert differences(policy, put) == []
    assert policy_file.read(policy_file.write(policy, pool=name).encode()).pools.keys() == {name}
