"""What can be set about an agent, each as `DURE_AGENT_<NAME>` in the environment. Read once, at start.

Read without pydantic, which would be a quarter of the memory that an agent takes on its node.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints
from urllib.parse import urlsplit

from dure.variables import SettingError, explained, refuse_unknown

PREFIX = "DURE_AGENT_"

_SERVER = re.compile(r"https?://[^/?#\s]+(/[^?#\s]*)?")
_LABEL = 63
"""Characters of a part of a host's name: no resolver takes more."""
_NODE = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def _url(said: str) -> str:
    try:
        good = _SERVER.fullmatch(said) and urlsplit(said).hostname and urlsplit(said).port != 0
    except ValueError:
        good = False
    if not good:
        raise ValueError("it takes an address that begins with http:// or https://, without a query")
    if any(not 0 < len(label) <= _LABEL for label in (urlsplit(said).hostname or "").rstrip(".").split(".")):
        raise ValueError(f"it takes the name of a host whose parts between dots have 1 to {_LABEL} characters")
    return said


def _node(said: str) -> str:
    if not _NODE.fullmatch(said):
        raise ValueError("it takes a name of small letters, digits, dots and hyphens, 253 of them at most")
    return said


def _text(said: str) -> str:
    if not said:
        raise ValueError("it is empty; leave it out, or give it a value")
    return said


def _path(said: str) -> Path:
    return Path(_text(said))


def _one_of(*words: str) -> Callable[[str], str]:
    def read(said: str) -> str:
        if said not in words:
            raise ValueError(f"it takes one of {', '.join(words)}")
        return said

    return read


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(said: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", said) or not least <= int(said) <= most:
            raise ValueError(f"it takes a whole number from {least} to {most}")
        return int(said)

    return read


def _seconds(least: float, most: float) -> Callable[[str], float]:
    def read(said: str) -> float:
        try:
            found = float(said)
        except ValueError:
            found = math.nan
        if not least <= found <= most:
            raise ValueError(f"it takes a number of seconds from {least:g} to {most:g}")
        return found

    return read


@dataclass(frozen=True, slots=True)
class Setting:
    """How a value is read, which raises ValueError for one that does not fit, and what it is, for `--help` and for errors."""

    read: Callable[[str], object]
    about: str


LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    server: Annotated[str, Setting(_url, "the allocator's API, for example https://dure.example.org")] = (
        "http://127.0.0.1:8470"
    )
    node: Annotated[str | None, Setting(_node, "the name under which this node is enrolled; needed to report")] = None
    token_file: Annotated[
        Path | None, Setting(_path, "a file that holds the node's token and nothing else; needed to report")
    ] = None
    driver: Annotated[
        Literal["nvml", "simulated"],
        Setting(_one_of("nvml", "simulated"), "nvml for real GPUs, simulated for none"),
    ] = "nvml"
    interval_s: Annotated[float, Setting(_seconds(0.1, 3600), "seconds between two reports, 0.1 to 3600")] = 10.0
    sample_s: Annotated[
        float, Setting(_seconds(0.05, 3600), "seconds between two samples of the GPUs, 0.05 to 3600")
    ] = 1.0
    host: Annotated[str, Setting(_text, "the address on which /metrics, /healthz and /readyz answer")] = "127.0.0.1"
    port: Annotated[int, Setting(_whole(0, 65535), "the port on which they answer; 0 takes any that is free")] = 8480
    scenario: Annotated[
        Path | None,
        Setting(
            _path, "a file that says what the simulated fleet is and what befalls it; for the simulated driver alone"
        ),
    ] = None
    state: Annotated[
        Path | None,
        Setting(
            _path,
            "a folder of the agent's own that outlives it: what was not told yet, verdicts on GPUs, its credential; without "
            "it they are lost with the process",
        ),
    ] = None
    spool_mib: Annotated[
        int, Setting(_whole(1, 1024), "how much of that folder may be used for what was not told yet, in MiB")
    ] = 50
    join_token_file: Annotated[
        Path | None,
        Setting(
            _path,
            "a file with a one-time token that makes this node's first credential; needs STATE, and TOKEN_FILE is not needed "
            "then",
        ),
    ] = None
    pod_resources: Annotated[
        Path | None, Setting(_path, "the kubelet's socket that says which pod has which GPU; on Kubernetes alone")
    ] = None
    allowed_processes: Annotated[
        str,
        Setting(
            str,
            "names of processes of the host that may be on a GPU without a lease, separated by commas; none in a container may",
        ),
    ] = "nvidia-persistenced,nv-hostengine,dcgm-exporter,nvidia-smi"
    scrub_command: Annotated[
        str | None,
        Setting(_text, "a command that cleans a GPU (DURE_GPU is its UUID) after a lease, before it is called empty"),
    ] = None
    check_command: Annotated[
        str | None,
        Setting(
            _text,
            "a command that tries a GPU (DURE_GPU is its UUID) after a lease; unless it succeeds the GPU is not called empty",
        ),
    ] = None
    check_s: Annotated[float, Setting(_seconds(1, 600), "how long either of them may take, 1 to 600 seconds")] = 60.0
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Setting(_one_of(*LEVELS), "the least level that is logged")
    ] = "INFO"


SETTINGS: Mapping[str, Setting] = {
    name: kind.__metadata__[0] for name, kind in get_type_hints(Settings, include_extras=True).items()
}
"""By field."""


def name_of(field: str) -> str:
    """The variable that sets a field."""
    return f"{PREFIX}{field.upper()}"


def read(environ: Mapping[str, str]) -> Settings:
    """Raises SettingError for a variable with our prefix that is no setting, and for values that do not fit."""
    refuse_unknown(environ, map(name_of, SETTINGS), PREFIX)
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for field, setting in SETTINGS.items():
        try:
            if name_of(field) in environ:
                values[field] = setting.read(environ[name_of(field)].strip())
        except ValueError as error:
            wrong.append(f"{name_of(field)}: {error} ({setting.about})")
    if wrong:
        raise SettingError("; ".join(wrong))
    return _together(Settings(**values))


def described() -> str:
    """Each setting with what it is and takes, and what it is where it is not said: for `--help`."""
    unsaid = Settings()
    return explained((name_of(field), setting.about, getattr(unsaid, field)) for field, setting in SETTINGS.items())


def _together(found: Settings) -> Settings:
    """Raises SettingError where one setting makes no sense beside another."""
    if found.scenario is not None and found.driver != "simulated":
        raise SettingError(f"{PREFIX}SCENARIO is for {PREFIX}DRIVER=simulated, and the driver is {found.driver}")
    if found.join_token_file is not None and found.state is None:
        raise SettingError(f"{PREFIX}JOIN_TOKEN_FILE needs {PREFIX}STATE: the credential it makes is kept there")
    return found
