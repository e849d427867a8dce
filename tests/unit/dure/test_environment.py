"""Settings: what is unknown, missing or wrong is named, with what it takes."""

from typing import Self

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dure.environment import SettingError, read


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    database_url: str = Field(description="where the database is")
    port: int = Field(default=8470, ge=0, le=65535, description="port of the API")


def _read(**environ: str) -> Settings:
    return read(Settings, environ, prefix="DURE_API_", shared={"database_url"})


def test_settings_come_from_their_prefix_and_shared_ones_from_none() -> None:
    found = _read(DURE_DATABASE_URL="postgresql://", DURE_API_PORT="1", HOME="/")
    assert (found.database_url, found.port) == ("postgresql://", 1)


@pytest.mark.parametrize(
    ("environ", "want"),
    [
        pytest.param(
            {"DURE_API_PROT": "1"}, r"DURE_API_PROT is not a setting; did you mean DURE_API_PORT\?", id="typo"
        ),
        pytest.param({"DURE_DATABSE_URL": "x"}, "did you mean DURE_DATABASE_URL", id="a typo in a shared one"),
        pytest.param({"DURE_QQQQ": "1"}, "DURE_QQQQ is not a setting; known are", id="nothing is near"),
        pytest.param({"DURE_API_PORT": "many"}, r"DURE_API_PORT: .*integer.*\(port of the API\)", id="not a number"),
        pytest.param({"DURE_API_PORT": "70000"}, "DURE_API_PORT: .*65535", id="out of range"),
    ],
)
def test_a_wrong_setting_is_named(environ: dict[str, str], want: str) -> None:
    with pytest.raises(SettingError, match=want):
        _read(**({"DURE_DATABASE_URL": "postgresql://"} | environ))


def test_a_missing_setting_is_named_with_what_it_is_for() -> None:
    with pytest.raises(SettingError, match="DURE_DATABASE_URL: Field required"):
        _read()


def test_a_rule_of_ours_that_a_setting_breaks_is_said_as_it_is_written() -> None:
    class Odd(Settings):
        @model_validator(mode="after")
        def _is_odd(self) -> Self:
            if self.port % 2 == 0:
                raise ValueError("ports are odd here")
            return self

    with pytest.raises(SettingError) as caught:
        read(Odd, {"DURE_DATABASE_URL": "x"}, prefix="DURE_API_", shared={"database_url"})
    assert str(caught.value) == "settings: ports are odd here"


def test_another_process_s_settings_are_left_alone() -> None:
    assert _read(DURE_DATABASE_URL="x", DURE_AGENT_NODE="n", DURE_SERVER="s").port == 8470
