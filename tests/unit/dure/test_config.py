"""Where the context of a command comes from."""

from pathlib import Path

import pytest

from dure.config import ConfigError, Context, Flags, load, system_zone

NOWHERE = Path("/nowhere/localtime")


def a_context(tmp_path: Path, text: str = "", flags: Flags | None = None, **environ: str) -> Context:
    path = tmp_path / ".config" / "dure" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return load(flags or Flags(), {"HOME": str(tmp_path), **environ}, localtime=NOWHERE)


FILE = 'server = "http://file:1"\ntoken = "from-file"\nzone = "Europe/Berlin"\n'


@pytest.mark.parametrize(
    ("flags", "environ", "want"),
    [
        pytest.param(Flags(), {}, ("http://file:1", "from-file", "Europe/Berlin"), id="the file alone"),
        pytest.param(
            Flags(),
            {"DURE_SERVER": "http://env:1/", "DURE_TOKEN": "from-env", "DURE_ZONE": "Asia/Seoul"},
            ("http://env:1", "from-env", "Asia/Seoul"),
            id="the environment wins over the file",
        ),
        pytest.param(
            Flags(server="https://flag", token="from-flag", zone="UTC"),
            {"DURE_SERVER": "http://env:1", "DURE_TOKEN": "from-env", "DURE_ZONE": "Asia/Seoul"},
            ("https://flag", "from-flag", "UTC"),
            id="flags win over the environment",
        ),
        pytest.param(
            Flags(), {"DURE_TOKEN": " "}, ("http://file:1", "from-file", "Europe/Berlin"), id="empty is unset"
        ),
    ],
)
def test_the_nearest_word_wins(
    tmp_path: Path, flags: Flags, environ: dict[str, str], want: tuple[str, str, str]
) -> None:
    found = a_context(tmp_path, FILE, flags, **environ)
    assert (found.server, found.token, found.zone.key) == want


def test_a_token_file_beside_the_config_is_read(tmp_path: Path) -> None:
    folder = tmp_path / ".config" / "dure"
    folder.mkdir(parents=True)
    (folder / "admin.token").write_text("secret\n")
    found = a_context(tmp_path, 'token_file = "admin.token"')
    assert (found.token, found.token_path) == ("secret", folder / "admin.token")


def test_a_token_file_flag_wins_over_a_token_in_the_environment(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("from-its-file")
    assert a_context(tmp_path, flags=Flags(token_file=str(tmp_path / "t")), DURE_TOKEN="env").token == "from-its-file"


def test_another_config_file_can_be_named(tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text('server = "http://other:1"')
    assert a_context(tmp_path, FILE, DURE_CONFIG=str(other)).server == "http://other:1"


@pytest.mark.parametrize(
    ("text", "flags", "environ", "want"),
    [
        pytest.param('sever = "x"', Flags(), {}, "sever is not a setting; did you mean server?", id="a misspelled key"),
        pytest.param('colour = "x"', Flags(), {}, "colour is not a setting; known are server,", id="an unknown key"),
        pytest.param("server = 5", Flags(), {}, 'server takes a text, for example server = "..."', id="not a text"),
        pytest.param("server = ", Flags(), {}, "config.toml cannot be read", id="not TOML"),
        pytest.param(
            "", Flags(), {"DURE_SEVER": "x"}, "DURE_SEVER is not a setting; did you mean", id="a misspelled variable"
        ),
        pytest.param(
            "", Flags(), {"DURE_CONFIG": "/nowhere/c"}, "names /nowhere/c, which is not there", id="no such config"
        ),
        pytest.param("", Flags(server="api:80"), {}, "write it with its scheme", id="a server without its scheme"),
        pytest.param("", Flags(server="http://"), {}, "is no address", id="a server without its host"),
        pytest.param("", Flags(server="http://a b"), {}, "is no address", id="a server with a space"),
        pytest.param("", Flags(token="a\nb"), {}, "--token holds no token", id="a token of two lines"),
        pytest.param("", Flags(token=""), {}, "--token holds no token", id="an empty token"),
        pytest.param("", Flags(token="a", token_file="b"), {}, "not both", id="a token and a token file"),
        pytest.param(
            "", Flags(token_file="/nowhere/t"), {}, "--token-file /nowhere/t cannot be read", id="no such token file"
        ),
        pytest.param('token = "a"\ntoken_file = "b"', Flags(), {}, "not both", id="both in the file"),
        pytest.param("", Flags(zone="Mars/Base"), {}, "--zone: 'Mars/Base' is no IANA time zone", id="no such zone"),
        pytest.param("", Flags(zone="../etc"), {}, "is no IANA time zone", id="a path for a zone"),
        pytest.param('zone = "x"', Flags(), {}, "config.toml: zone: 'x' is no", id="no such zone in the file"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, flags: Flags, environ: dict[str, str], want: str) -> None:
    with pytest.raises(ConfigError) as caught:
        a_context(tmp_path, text, flags, **environ)
    assert want in str(caught.value)


def test_an_error_never_repeats_the_token(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        a_context(tmp_path, flags=Flags(token="top secret"))
    assert "top" not in str(caught.value)


@pytest.mark.parametrize(("flags", "missing"), [(Flags(), "server"), (Flags(server="http://a"), "token")])
def test_what_is_missing_is_said_with_the_ways_to_give_it(tmp_path: Path, flags: Flags, missing: str) -> None:
    with pytest.raises(ConfigError) as caught:
        a_context(tmp_path, flags=flags).required()
    for way in (f"no {missing} is known", f"--{missing}", f"DURE_{missing.upper()}", "config.toml"):
        assert way in str(caught.value)


def test_flags_after_the_command_win_over_those_before() -> None:
    before = Flags(server="http://a", token="t", zone="UTC", json=True)
    assert Flags(server="http://b").over(before) == Flags(server="http://b", token="t", zone="UTC", json=True)
    assert Flags(token_file="f").over(before) == Flags(server="http://a", token_file="f", zone="UTC", json=True)


def test_the_systems_zone_is_found(tmp_path: Path) -> None:
    link = tmp_path / "localtime"
    link.symlink_to("/usr/share/zoneinfo/Asia/Seoul")
    assert system_zone({}, link).key == "Asia/Seoul"
    assert system_zone({"TZ": ":Europe/Berlin"}, link).key == "Europe/Berlin"
    assert system_zone({"TZ": "KST-9"}, link).key == "Asia/Seoul"
    assert system_zone({}, NOWHERE).key == "UTC"
