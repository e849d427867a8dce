from pathlib import Path

import pytest

from agents import settings
from agents.settings import PREFIX, SETTINGS, Settings
from dure.environment import SettingError


def _read(**environ: str) -> Settings:
    return settings.read({f"{PREFIX}{name}": value for name, value in environ.items()})


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
        ("SERVER", "http://dure.example.org:port"),
        ("SERVER", "http://:80"),
        ("SERVER", f"http://{'a' * 64}.example.org"),
        ("SERVER", "http://dure..example.org"),
        ("SERVER", "http://."),
        ("NODE", "Node 1"),
        ("DRIVER", "rocm"),
        ("INTERVAL_S", "0"),
        ("INTERVAL_S", "nan"),
        ("SAMPLE_S", "-1"),
        ("PORT", "65536"),
        ("PORT", "8e3"),
        ("PORT", "eighty"),
        ("HOST", ""),
        ("STATE", ""),
        ("SPOOL_MIB", "0"),
        ("CHECK_S", "inf"),
        ("JOIN_TOKEN_FILE", "/run/join"),
        ("LOG_LEVEL", "loud"),
        ("SCENARIO", "fleet.toml"),
        ("INTERVALL_S", "5"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"{PREFIX}{name}"):
        _read(**{name: value})


def test_every_wrong_setting_is_named_at_once_with_what_it_takes() -> None:
    with pytest.raises(SettingError) as caught:
        _read(PORT="many", DRIVER="rocm")

    assert str(caught.value) == (
        "DURE_AGENT_DRIVER: it takes one of nvml, simulated (nvml for real GPUs, simulated for none); "
        "DURE_AGENT_PORT: it takes a whole number from 0 to 65535 (the port on which they answer; 0 takes any that is free)"
    )


def test_a_misspelled_setting_is_told_the_near_one() -> None:
    with pytest.raises(SettingError, match=r"DURE_AGENT_PROT is not a setting; did you mean DURE_AGENT_PORT\?"):
        _read(PROT="1")


def test_settings_of_other_processes_are_left_alone() -> None:
    assert settings.read({"DURE_API_PORT": "1", "DURE_SERVER": "s", "HOME": "/"}) == Settings()


def test_every_setting_has_a_sentence_that_its_error_and_the_help_repeat() -> None:
    said = settings.described()

    assert all(setting.about in said for setting in SETTINGS.values())
    with pytest.raises(SettingError, match="seconds between two reports"):
        _read(INTERVAL_S="often")
