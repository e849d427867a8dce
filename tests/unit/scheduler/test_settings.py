"""The scheduler's settings: what is wrong with one is said by its name."""

import pytest

from dure.environment import SettingError, read
from scheduler.kube.desired import CLOSED_NETWORKS, Terms
from scheduler.settings import Settings


def settings(**said: str) -> Settings:
    environ = {f"DURE_SCHEDULER_{name.upper()}": value for name, value in said.items()}
    return read(
        Settings,
        {"DURE_DATABASE_URL": "postgresql://u@h/d", **environ},
        prefix="DURE_SCHEDULER_",
        shared={"database_url"},
    )


def test_networks_that_are_closed_to_companies_are_private_ones_unless_others_are_said() -> None:
    assert tuple(map(str, settings().closed_networks)) == CLOSED_NETWORKS
    found = settings(closed_networks="10.0.0.0/8, 203.0.113.0/24").closed_networks
    assert [str(one) for one in found] == ["10.0.0.0/8", "203.0.113.0/24"]
    assert settings(closed_networks="").closed_networks == ()


def test_every_grace_is_over_six_seconds_before_the_end_unless_another_margin_is_said() -> None:
    assert settings().kill_margin_s == Terms().kill_margin_s == 6
    assert settings(kill_margin_s="10").kill_margin_s == 10


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("closed_networks", "10.0.0.0/8,nodes"),
        ("closed_networks", "10.1.0.0/8"),
        ("closed_networks", "0.0.0.0/0"),
        ("closed_networks", "fd00::/8"),
        ("kill_margin_s", "0"),
        ("kill_margin_s", "61"),
        ("warning_s", "-1"),
        ("warning_s", "soon"),
    ],
)
def test_a_setting_that_cannot_be_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"DURE_SCHEDULER_{name.upper()}"):
        settings(**{name: value})
