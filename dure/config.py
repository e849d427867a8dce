"""The context of a command: which server, whose token, which zone. Flags win over environment, environment over file.

Unknown settings are errors that name them. Nothing here talks to a server or prints.
"""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from dure import environment

KEYS = ("server", "token", "token_file", "zone")
"""What config.toml may say."""

LOCALTIME = Path("/etc/localtime")


class ConfigError(Exception):
    """The context is missing or wrong; the text names the setting and says how to give it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """What was said on the command line; None where nothing was."""

    server: str | None = None
    token: str | None = None
    token_file: str | None = None
    zone: str | None = None
    why: str | None = None
    json: bool = False

    def over(self, other: "Flags") -> "Flags":
        """These flags, with `other`'s where these say nothing. A token here hides a token file there."""
        own = self.token is not None or self.token_file is not None
        return Flags(
            server=other.server if self.server is None else self.server,
            token=self.token if own else other.token,
            token_file=self.token_file if own else other.token_file,
            zone=other.zone if self.zone is None else self.zone,
            why=other.why if self.why is None else self.why,
            json=self.json or other.json,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Where a command goes and as whom. `server` and `token` are None where nobody said them."""

    path: Path
    """The config file, whether it is there or not."""
    zone: ZoneInfo
    server: str | None = None
    token: str | None = None
    token_path: Path | None = None
    """The file that the token was read from."""

    def required(self) -> tuple[str, str]:
        """Server and token. Raises ConfigError for the one that is missing, with the ways to give it."""
        for name, value, example in (
            ("server", self.server, "http://127.0.0.1:8470"),
            ("token", self.token, "dure_..."),
        ):
            if value is None:
                file = " or --token-file PATH" if name == "token" else ""
                raise ConfigError(
                    f"no {name} is known: give --{name} {example}{file}, set DURE_{name.upper()}, "
                    f'or write {name} = "{example}" in {self.path}'
                )
        return self.server or "", self.token or ""


class Environment(BaseModel):
    """What the environment says of the context, each as `DURE_<NAME>`."""

    model_config = ConfigDict(frozen=True)

    server: str | None = Field(None, description="the API's address")
    token: str | None = Field(None, description="a bearer token")
    config: str | None = Field(None, description="path of config.toml")
    zone: str | None = Field(None, description="IANA zone of the times you read and write")


def load(flags: Flags, environ: Mapping[str, str], *, localtime: Path = LOCALTIME) -> Context:
    """The context that flags, environment and config file give together. Raises ConfigError."""
    said = _environment(environ)
    home = Path(environ.get("HOME") or "~").expanduser()
    path = Path(said.config).expanduser() if said.config else home / ".config" / "dure" / "config.toml"
    file = _read(path, required=said.config is not None)
    token, token_path = _token(flags, said.token, file, path)
    return Context(
        path=path,
        zone=_zone(flags.zone, said.zone, file.get("zone"), path, environ, localtime),
        server=_address(flags.server or said.server or file.get("server")),
        token=token,
        token_path=token_path,
    )


def system_zone(environ: Mapping[str, str], localtime: Path = LOCALTIME) -> ZoneInfo:
    """The machine's own zone by its IANA name, from TZ or the link `/etc/localtime`; UTC where neither says."""
    linked = str(localtime.resolve()).partition("/zoneinfo/")[2]
    for name in (environ.get("TZ", "").lstrip(":"), linked, "UTC"):
        try:
            if name:
                return ZoneInfo(name)
        except (ValueError, OSError, LookupError):
            continue
    raise ConfigError("not even the zone UTC is known here: install tzdata")


def _environment(environ: Mapping[str, str]) -> Environment:
    given = {name: value for name, value in environ.items() if value.strip() or not name.startswith("DURE_")}
    try:
        return environment.read(Environment, given, prefix="DURE_CLI_", shared=tuple(Environment.model_fields))
    except environment.SettingError as error:
        raise ConfigError(str(error)) from None


def _read(path: Path, *, required: bool) -> dict[str, str]:
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if required:
            raise ConfigError(f"DURE_CONFIG names {path}, which is not there") from None
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    for key, value in values.items():
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(KEYS)}"
            raise ConfigError(f"{path}: {key} is not a setting; {hint}")
        if not isinstance(value, str) or not value.strip():
            raise ConfigError(f'{path}: {key} takes a text, for example {key} = "..."')
    return values


def _token(flags: Flags, said: str | None, file: Mapping[str, str], path: Path) -> tuple[str | None, Path | None]:
    if flags.token is not None and flags.token_file is not None:
        raise ConfigError("give --token or --token-file, not both")
    if "token" in file and "token_file" in file:
        raise ConfigError(f"{path}: say token or token_file, not both")
    if flags.token is not None:
        return _secret(flags.token, "--token"), None
    if flags.token_file is not None:
        return _from_file(Path(flags.token_file).expanduser(), "--token-file")
    if said is not None:
        return _secret(said, "DURE_TOKEN"), None
    if "token_file" in file:
        return _from_file(path.parent / Path(file["token_file"]).expanduser(), f"{path}: token_file")
    return (_secret(file["token"], f"{path}: token") if "token" in file else None), None


def _from_file(path: Path, source: str) -> tuple[str, Path]:
    try:
        return _secret(path.read_text(encoding="utf-8"), f"{source} {path}"), path
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source} {path} cannot be read: {error}") from None


def _secret(text: str, source: str) -> str:
    token = text.strip()
    if not token or not all("!" <= letter <= "~" for letter in token):
        raise ConfigError(f"{source} holds no token: a token is one word of visible ASCII letters")
    return token


def _address(server: str | None) -> str | None:
    if server is None:
        return None
    host = server.partition("://")[2]
    if not server.startswith(("http://", "https://")) or not host.strip("/") or any(c.isspace() for c in server):
        raise ConfigError(
            f"server {server!r} is no address: write it with its scheme, for example http://127.0.0.1:8470"
        )
    return server.rstrip("/")


def _zone(
    flag: str | None, said: str | None, file: str | None, path: Path, environ: Mapping[str, str], localtime: Path
) -> ZoneInfo:
    for source, name in (("--zone", flag), ("DURE_ZONE", said), (f"{path}: zone", file)):
        if name is None:
            continue
        try:
            return ZoneInfo(name)
        except (ValueError, OSError, LookupError):
            raise ConfigError(
                f"{source}: {name!r} is no IANA time zone; write for example Asia/Seoul, Europe/Berlin or UTC"
            ) from None
    return system_zone(environ, localtime)
