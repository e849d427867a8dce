"""Does what a Dockerfile says, stage by stage, in a folder instead of an image.

The folder of the present stage stands for the root of its image; a stage that is done is set aside for those that copy from
it, so paths that a step wrote into files stay right. What the base image would bring is `base`: a folder with a Python,
a shell and the usual tools, and no compiler. It takes root: files have owners, and a step after USER runs as that user.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from deploy.local.engine import RunAs
from tests.images import context, dockerfile
from tests.images.dockerfile import Stage, Step, Unread

PLACES = re.compile(r"(?<![\w./-])/(?=(?:opt|var/cache|var/lib/dure)\b)")
"""Where our images have files of their own; every other absolute path is of the base."""

TOOLS = (
    *(
        "sh",
        "env",
        "id",
        "install",
        "chmod",
        "chown",
        "mkdir",
        "rm",
        "cp",
        "mv",
        "ln",
        "ls",
        "cat",
        "dirname",
        "basename",
    ),
    *("find", "grep", "sed", "uname", "true", "false", "test", "sort", "head", "tail"),
)
PASSED = ("PIP_", "UV_", "SSL_", "REQUESTS_", "http_", "https_", "HTTP_", "HTTPS_", "no_proxy", "NO_PROXY")
"""How this machine reaches its registry."""


@dataclass(kw_only=True)
class Replay:
    """`root` stands for `/`; `environ` and `user` are what a process of the image has."""

    folder: Path
    tree: Path
    environ: dict[str, str] = field(default_factory=dict)
    user: str = "0:0"
    workdir: str = "/"

    @property
    def root(self) -> Path:
        return self.folder / "root"

    def at(self, path: str) -> Path:
        """Where an absolute path of the image is here."""
        return self.root / path.lstrip("/")

    def run(self, text: str) -> None:
        """All stages. The last one is left in `root`. Raises Unread, CalledProcessError."""
        arguments, stages = dockerfile.read(text)
        for stage in stages:
            if self.root.exists():
                raise Unread("a stage was left behind")
            self._stage(stage, arguments)
            if stage is not stages[-1]:
                self.root.rename(self.folder / f"stage-{stage.name}")

    def command(self, words: Sequence[str], **more: str) -> "subprocess.Popen[str]":
        """A process as the image's, in its WORKDIR, with all that it says in one pipe."""
        return self.start(words, subprocess.PIPE, **more)

    def start(self, words: Sequence[str], said: "IO[str] | int", **more: str) -> "subprocess.Popen[str]":
        """The same, which says it there."""
        return subprocess.Popen(
            [self._here(word) for word in words],
            cwd=self.at(self.workdir),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            text=True,
            **self._run_as(more),
        )

    def _stage(self, stage: Stage, arguments: Mapping[str, str]) -> None:
        dockerfile.filled(stage.base, arguments)
        self.root.mkdir()
        self.environ, self.user, self.workdir = {"PATH": str(self._base())}, "0:0", "/"
        said = dict[str, str]()
        for step in stage.steps:
            match step.word:
                case "ARG":
                    said.update(step.pairs)
                case "ENV":
                    self.environ.update(
                        {name: self._here(dockerfile.filled(value, self.environ)) for name, value in step.pairs}
                    )
                case "LABEL":
                    dockerfile.filled(step.said, said)
                case "WORKDIR":
                    self.workdir = step.said
                    self.at(step.said).mkdir(parents=True, exist_ok=True)
                case "USER":
                    self.user = step.said
                case "COPY":
                    self._copy(step)
                case "RUN":
                    self._run(step)
                case _:
                    pass

    def _copy(self, step: Step) -> None:
        if step.flags.keys() - {"from"}:
            raise Unread(f"COPY with {', '.join(step.flags)} is not replayed")
        *sources, target = step.words
        to = self.at(target if target.startswith("/") else f"{self.workdir}/{target}")
        for source in sources:
            if "from" in step.flags:
                shutil.copytree(
                    self.folder / f"stage-{step.flags['from']}" / source.lstrip("/"),
                    to,
                    symlinks=True,
                    dirs_exist_ok=True,
                    copy_function=os.link,  # half a gigabyte that nobody changes any more
                )
            else:
                self._copy_sent(source, to, into=target.endswith("/"))

    def _copy_sent(self, source: str, to: Path, *, into: bool) -> None:
        found = [path for path in context.sent(self.tree) if path == Path(source) or Path(source) in path.parents]
        if not found:
            raise Unread(f"COPY {source}: the builder is sent no such file")
        for path in found:
            # Of a folder what is in it is copied, not the folder.
            inside = path.relative_to(source) if path != Path(source) else Path(path.name if into else "")
            target = to / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.tree / path, target)

    def _run(self, step: Step) -> None:
        if step.flags:
            raise Unread(f"RUN with {', '.join(step.flags)} is not replayed")
        done = self.command(["/bin/sh", "-c", step.said])
        said, _ = done.communicate()
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, step.said, said)

    def _run_as(self, more: Mapping[str, str]) -> RunAs:
        passed = {name: value for name, value in os.environ.items() if name.startswith(PASSED)}
        told = {"HOME": os.environ.get("HOME", "/"), **passed, **self.environ}
        env = told | {name: self._here(value) for name, value in more.items()}
        uid, _, gid = self.user.partition(":")
        return RunAs(env=env, user=int(uid), group=int(gid), extra_groups=[])

    def _here(self, text: str) -> str:
        return PLACES.sub(f"{self.root}/", text)

    def _base(self) -> Path:
        """What of the base image is in the PATH."""
        base = self.folder / "base"
        if not base.exists():
            base.mkdir()
            for tool in TOOLS:
                if found := shutil.which(tool):
                    (base / tool).symlink_to(found)
            for name in ("python", "python3"):
                (base / name).symlink_to(_python())
        return base


def _python() -> Path:
    """One that every user may run: ours may lie in root's closed home."""
    own = Path(sys.executable).resolve()
    return Path("/usr/bin/python3").resolve() if own.is_relative_to("/root") else own
