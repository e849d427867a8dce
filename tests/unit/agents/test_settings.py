from pathlib import Path

import pytest

from agents.settings import PREFIX, Settings
from dure import environment
from dure.environment import SettingError


def _read(**environ: str) -> Settings:
    return environment.read(Settings, {f"{PREFIX}{name}": value for name, value in environ.items()}, prefix=PREFIX)


def test_nothing_set_is_a_real_node_on_the_documented_ports() -> None:
    found = _read()

    assert (found.server, found.driver, found.interval_s, found.sample_s, found.host, found.port) == (
        "http://127.0.0.1:8470",
        "nvml",
        10,
        1,
        "127.0.0.1",
        8480,
    )


def test_everything_can_be_set() -> None:
    found = _read(
        SERVER="https://dure.example.org/sub", NODE="gpu-07.rack-2", TOKEN_FILE="/run/token", DRIVER="simulated",
        INTERVAL_S="0.5", SAMPLE_S="0.1", HOST="::", PORT="0", SCENARIO="fleet.toml", LOG_LEVEL="DEBUG",
    )  # fmt: skip

    assert (found.node, found.token_file, found.scenario) == ("gpu-07.rack-2", Path("/run/token"), Path("fleet.toml"))
    assert (found.interval_s, found.sample_s, found.port) == (0.5, 0.1, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SERVER", "dure.example.org"),
        ("SERVER", "http://dure.example.org?x=1"),
        ("NODE", "Node 1"),
        ("DRIVER", "rocm"),
        ("INTERVAL_S", "0"),
        ("INTERVAL_S", "nan"),
        ("SAMPLE_S", "-1"),
        ("PORT", "65536"),
        ("LOG_LEVEL", "loud"),
        ("SCENARIO", "fleet.toml"),
        ("INTERVALL_S", "5"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"{PREFIX}{name}"):
        _read(**{name: value})


def test_every_setting_has_a_sentence_that_its_error_repeats() -> None:
    assert all(field.description for field in Settings.model_fields.values())
    with pytest.raises(SettingError, match="seconds between two reports"):
        _read(INTERVAL_S="often")
