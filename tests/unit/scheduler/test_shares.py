"""Parts of a pool by shares and groups, and weighted max-min among those that want something."""

from collections.abc import Mapping
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.model import CompanyId
from scheduler.core.quota import Quota
from scheduler.core.shares import WHOLE, Group, Share, entitled, filled, parts

ACME, BOLT, CORE, DUST = (CompanyId(name) for name in ("acme", "bolt", "core", "dust"))


def shares(**found: int | tuple[int, str]) -> dict[CompanyId, Share]:
    """`shares(acme=2, bolt=(1, "seed"))`"""
    said = {name: one if isinstance(one, tuple) else (one, "") for name, one in found.items()}
    return {
        CompanyId(name): Share(company=CompanyId(name), shares=one, group=group) for name, (one, group) in said.items()
    }


def quotas(*companies: CompanyId, gpus: int = 8) -> dict[CompanyId, Quota]:
    return {company: Quota(company=company, gpus=gpus) for company in companies}


def groups(**found: int) -> dict[str, Group]:
    return {name: Group(name=name, shares=one) for name, one in found.items()}


def test_a_company_has_the_part_of_its_shares_among_all():
    assert parts(shares(acme=1, bolt=3), {}, {}) == {ACME: WHOLE // 4, BOLT: 3 * WHOLE // 4}


def test_who_has_a_quota_and_no_shares_has_one():
    assert parts(shares(acme=3), {}, quotas(ACME, BOLT)) == {ACME: 3 * WHOLE // 4, BOLT: WHOLE // 4}


def test_who_may_hold_nothing_and_has_no_shares_has_no_part():
    assert parts(shares(acme=3), {}, quotas(BOLT, gpus=0)) == {ACME: WHOLE}


def test_a_group_divides_its_part_among_its_companies():
    found = parts(shares(acme=(1, "seed"), bolt=(3, "seed"), core=1), groups(seed=1), {})
    assert found == {ACME: WHOLE // 8, BOLT: 3 * WHOLE // 8, CORE: WHOLE // 2}


def test_a_group_of_which_nobody_said_a_share_has_one():
    assert parts(shares(acme=(9, "seed"), core=3), {}, {}) == {ACME: WHOLE // 4, CORE: 3 * WHOLE // 4}


def test_a_group_and_a_company_of_one_name_are_two():
    found = parts(shares(acme=(1, "bolt"), bolt=1), groups(bolt=3), {})
    assert found == {ACME: 3 * WHOLE // 4, BOLT: WHOLE // 4}


@pytest.mark.parametrize(
    ("wanted", "want"),
    [
        pytest.param({ACME: 100, BOLT: 100}, {ACME: 20, BOLT: 80}, id="both want more than there is"),
        pytest.param({ACME: 100, BOLT: 30}, {ACME: 70, BOLT: 30}, id="what one leaves is the other's"),
        pytest.param({ACME: 5, BOLT: 30}, {ACME: 5, BOLT: 30}, id="there is enough"),
        pytest.param({BOLT: 200}, {BOLT: 100}, id="nobody else wants anything"),
        pytest.param({}, {}, id="nobody wants anything"),
    ],
)
def test_nobody_gets_more_than_is_wanted_nor_less_by_weight_than_who_gets_less(
    wanted: Mapping[CompanyId, int], want: Mapping[CompanyId, int]
):
    assert filled(100, {ACME: 1, BOLT: 4}, wanted) == want


def test_what_a_group_leaves_is_the_others_and_what_a_company_leaves_its_group_s():
    found = entitled(
        100,
        {ACME: 10, BOLT: 100, CORE: 100, DUST: 10},
        shares(acme=(1, "seed"), bolt=(1, "seed"), core=(1, "late"), dust=(1, "late")),
        groups(seed=1, late=3),
        {},
    )
    assert found == {ACME: 10, BOLT: 15, CORE: 65, DUST: 10}


@given(
    st.integers(0, 10_000),
    st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(st.integers(1, 50), st.integers(0, 3000)), min_size=1),
)
def test_water_filling_is_max_min_whatever_is_wanted(amount: int, drawn: dict[str, tuple[int, int]]):
    weights = {name: weight for name, (weight, _) in drawn.items()}
    wanted = {name: gpus for name, (_, gpus) in drawn.items()}
    found = filled(amount, weights, wanted)
    assert all(found.get(name, 0) <= gpus for name, gpus in wanted.items())
    given_ = sum(found.values())
    assert (
        given_ == sum(wanted.values()) if sum(wanted.values()) <= amount else amount - len(weights) < given_ <= amount
    )
    level = max((Fraction(got + 1, weights[name]) for name, got in found.items()), default=Fraction(0))
    for name, gpus in wanted.items():
        if found.get(name, 0) < gpus:  # whoever wants more is as high as anybody, but for the rounding
            assert Fraction(found.get(name, 0) + len(weights) + 1, weights[name]) >= level - Fraction(len(weights), 1)
