"""The Dockerfile's steps, done in a folder as no Docker engine runs here: what is left in it, and that it runs from there."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from deploy.local.postgres import Embedded
from tests import ports, servers
from tests.cluster import daemons
from tests.images.replay import Replay

TREE = Path(__file__).resolve().parents[4]
DOCKERFILE = TREE / "deploy" / "docker" / "Dockerfile"
COMPILERS = ("cc", "gcc", "c++", "g++", "clang", "ld", "as", "make", "rustc", "cargo", "go", "uv")


@pytest.mark.timeout(1800)  # half a gigabyte is installed and compiled; on a busy machine that takes minutes
def test_what_the_dockerfile_makes_holds_nothing_that_builds_and_runs_read_only_as_nobody() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can run something as another user")
    with servers.folder("image") as folder:
        image = Replay(folder=folder, tree=TREE)
        image.run(DOCKERFILE.read_text())
        assert image.user == "65532:65532"
        _holds_what_runs_and_nothing_else(image)
        _cannot_be_changed_by_who_runs_it(image)
        _starts(image, folder)


def test_a_tool_that_builds_is_found_and_refused(tmp_path: Path) -> None:
    done = _checked(tmp_path, {"gcc": ""})
    assert done.returncode == 1
    assert re.search(r"build.sh: .*/bin/gcc is left: nothing is built where Dure runs", done.stderr)


def test_a_test_that_is_left_is_found_and_refused(tmp_path: Path) -> None:
    (tmp_path / "dure" / "tests").mkdir(parents=True)
    done = _checked(tmp_path, {})
    assert done.returncode == 1
    assert "build.sh: tests is left: it is for who develops" in done.stderr


def test_a_stage_that_there_is_not_is_refused() -> None:
    done = subprocess.run(
        ["sh", TREE / "deploy/docker/build.sh", "instal"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "build.sh: it takes one of install, compile, check\n")


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("FROM python", "DL3006"),
        ("FROM python:latest AS a", "DL3007"),
        ("FROM python:3.11.13-slim-bookworm AS a\nRUN sudo true", "DL3004"),
        ("FROM python:3.11.13-slim-bookworm AS a\nUSER root", "DL3002"),
        ("FROM python:3.11.13-slim-bookworm AS a\nRUN pip install numpy", "DL3013"),
        ("FROM python:3.11.13-slim-bookworm AS a\nLABEL org.opencontainers.image.version=1", "DL3049"),
    ],
)
def test_a_dockerfile_that_is_not_as_it_should_be_does_not_pass_the_linter(
    line: str, rule: str, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text(f"{line}\n")
    done = _linted(tmp_path / "Dockerfile")
    assert done.returncode == 1
    assert rule in done.stdout


def test_ours_passes_the_linter() -> None:
    done = _linted(DOCKERFILE)
    assert (done.returncode, done.stdout) == (0, "")


def _linted(dockerfile: Path) -> "subprocess.CompletedProcess[str]":
    hadolint = Path(sys.executable).with_name("hadolint")
    config = TREE / "deploy" / "docker" / ".hadolint.yaml"
    return subprocess.run([hadolint, "--config", config, dockerfile], capture_output=True, text=True, check=False)


def _checked(folder: Path, tools: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """The stage `check` in a folder that has these tools beside those of a base image."""
    script = folder / "dure" / "deploy" / "docker" / "build.sh"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text((TREE / "deploy/docker/build.sh").read_text())
    (folder / "bin").mkdir()
    for name in ("dirname", "find", "id"):
        (folder / "bin" / name).symlink_to(f"/usr/bin/{name}")
    for name, text in tools.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    environ = {"PATH": str(folder / "bin")}
    return subprocess.run(["/bin/sh", script, "check"], env=environ, capture_output=True, text=True, check=False)


# --- what is in it ---------------------------------------------------------------------------------------------------


def _holds_what_runs_and_nothing_else(image: Replay) -> None:
    left = image.at("/opt/dure")
    assert {path.name for path in image.at("/opt").iterdir()} == {"dure"}
    assert {path.name for path in left.iterdir()} == {
        *(".venv", "dure", "scheduler", "api", "agents", "deploy", "compiled"),
        *("pyproject.toml", "uv.lock", "README.md", "LICENSE"),
    }
    assert sorted(path.name for path in (left / "deploy" / "docker").iterdir()) == ["build.sh", "probe.py"]
    programs = {path.name for path in (left / ".venv" / "bin").iterdir()}
    assert "dure" in programs
    assert not programs & {*COMPILERS, "pip", "pytest", "ruff", "hadolint"}
    assert _installed(left) == _locked(image.folder / "stage-build" / "opt" / "uv" / "bin" / "uv")


def _installed(left: Path) -> set[str]:
    metadata = left.glob(".venv/lib/python*/site-packages/*.dist-info")
    return {path.name.partition("-")[0].lower().replace("_", "-").replace(".", "-") for path in metadata}


def _locked(uv: Path) -> set[str]:
    """What uv.lock has for the processes, by the word of the uv that installed it."""
    extras = [word for name in ("server", "agent", "tracing") for word in ("--extra", name)]
    command = [
        uv,
        "export",
        "--frozen",
        "--no-default-groups",
        "--no-hashes",
        "--no-header",
        "--no-annotate",
        *extras,
    ]
    said = subprocess.run(command, cwd=TREE, check=True, capture_output=True, text=True).stdout
    names = re.findall(
        r"^([A-Za-z0-9._-]+)==(?:(?!sys_platform == 'win32'|platform_system == 'Windows').)*$", said, re.M
    )
    return {name.lower().replace("_", "-").replace(".", "-") for name in names} | {"dure"}


def _cannot_be_changed_by_who_runs_it(image: Replay) -> None:
    tries = "(echo > /opt/dure/api/app.py); (echo > /opt/dure/new); (echo > /var/cache/dure/x) && echo kept"
    said, _ = image.command(["/bin/sh", "-c", f"id -u; {tries}"]).communicate()
    assert said.startswith("65532\n")
    assert said.count("Permission denied") == 2
    assert said.endswith("kept\n")


# --- that it runs ----------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Running:
    """`said` is what its processes print, by their ports."""

    image: Replay
    environ: dict[str, str]

    def once(self, *words: str, **more: str) -> str:
        """What a command of the image prints, which has to succeed."""
        process = self.image.command(words, **self.environ, **more)
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, f"{words}: {said}"
        return said


def _starts(image: Replay, folder: Path) -> None:
    """As compose.yaml has them: migrated, API and scheduler, what is enrolled by its script, and a simulated agent."""
    api, scheduler, agent = ports.free(3)
    mounted = _mounted(image, folder)
    with _postgres(folder) as url, ExitStack() as ends:
        (mounted / "url").write_text(url)
        running = Running(image=image, environ={"DURE_DATABASE_URL_FILE": str(mounted / "url")})
        running.once("python", "-m", "scheduler", "migrate")
        ends.enter_context(_runs(running, "scheduler", scheduler, DURE_SCHEDULER_PORT=str(scheduler)))
        ends.enter_context(_runs(running, "api", api, DURE_API_PORT=str(api)))
        server = f"http://127.0.0.1:{api}"
        _enrols_once(running, mounted, server)
        settings = {
            "DURE_AGENT_SERVER": server,
            "DURE_AGENT_NODE": "node-1",
            "DURE_AGENT_JOIN_TOKEN_FILE": "/var/lib/dure/tokens/node-1.join",
            "DURE_AGENT_STATE": "/var/lib/dure/state",
            "DURE_AGENT_DRIVER": "simulated",
            "DURE_AGENT_PORT": str(agent),
        }
        ends.enter_context(_runs(running, "agents", agent, **settings))
        acme = ("--server", server, "--token-file", "/var/lib/dure/tokens/acme.token", "--json")
        lease = json.loads(running.once("dure", "ask", "h100-80gb", "8", "--for", "10m", *acme))
        assert lease["state"] in ("scheduled", "active")
        assert [one["node"] for one in lease["placement"]] == ["node-1"]
    assert _compiled(image.at("/var/cache/dure")) == _compiled(image.at("/opt/dure/compiled")) != set()


def _compiled(folder: Path) -> set[str]:
    """Of each function its index and its code: what was compiled anew has code of another name."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*.nb[ci]")}


def _mounted(image: Replay, folder: Path) -> Path:
    """What a container is given from outside."""
    mounted = folder / "mounted"
    mounted.mkdir()
    os.chown(mounted, *map(int, image.user.split(":")))
    shutil.copyfile(TREE / "deploy" / "docker" / "enrol.sh", mounted / "enrol.sh")
    return mounted


def _enrols_once(running: Running, mounted: Path, server: str) -> None:
    command = ("sh", str(mounted / "enrol.sh"), "/var/lib/dure/admin", "/var/lib/dure/tokens", "node-1", "node-2")
    running.once(*command, DURE_SERVER=server)
    tokens = running.image.at("/var/lib/dure/tokens")
    made = {path.name: path.read_text() for path in tokens.iterdir()}
    assert made.keys() == {"node-1.join", "node-2.join", "acme.token"}
    running.once(*command, DURE_SERVER=server)
    assert {path.name: path.read_text() for path in tokens.iterdir()} == made


@contextmanager
def _runs(running: Running, process: str, port: int, **settings: str) -> Iterator[None]:
    """Until it is ready, by the image's own health check; it is told to end afterwards, and ends well."""
    with (running.image.folder / f"{process}.log").open("w+") as log:
        started = running.image.start(["python", "-m", process], log, **running.environ, **settings)
        try:
            daemons.until(lambda: _ready(port, started), (), within_s=120, what=f"{process} to be ready")
            assert " answers" in running.once("python", "/opt/dure/deploy/docker/probe.py", "healthz", **settings)
            yield
        finally:
            started.terminate()
            ended = started.wait(120)
        log.seek(0)
        assert ended == 0, log.read()


def _ready(port: int, started: "subprocess.Popen[str]") -> bool:
    assert started.poll() is None, "it ended before it was ready"
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=120).status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    """One that listens on the loopback, as the image's user is not the one who may use its socket."""
    (port,) = ports.free(1)
    server = Embedded(
        folder / "postgres", options={**servers.QUICK, "listen_addresses": "127.0.0.1", "port": str(port)}
    )
    server.start()
    try:
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        server.stop()
