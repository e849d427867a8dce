"""The user's own kubectl: the only module that runs it."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

Json = dict[str, Any]

TIMEOUT_S = 120


class Missing(Exception):
    """There is no kubectl on the PATH."""

    def __init__(self) -> None:
        super().__init__(
            "kubectl is not on your PATH: install it (https://kubernetes.io/docs/tasks/tools/), or put it there"
        )


class Failed(Exception):
    """kubectl failed; the text is its own."""


class Kubectl:
    """With the user's own kubeconfig and context, or those that are said. Raises Missing."""

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        kubeconfig: Path | None = None,
        context: str | None = None,
        namespace: str | None = None,
    ) -> None:
        path = shutil.which("kubectl", path=environ.get("PATH", os.defpath))
        if path is None:
            raise Missing
        said = {"kubeconfig": kubeconfig, "context": context, "namespace": namespace}
        self._command = [path, *(f"--{name}={value}" for name, value in said.items() if value is not None)]
        self._environ = dict(environ)

    def text(self, *arguments: str, given: str = "") -> str:
        """What it prints; `given` is its standard input. Raises Failed."""
        try:
            done = subprocess.run(
                [*self._command, *arguments],
                input=given,
                env=self._environ,
                capture_output=True,
                text=True,
                check=False,
                timeout=TIMEOUT_S,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"kubectl {arguments[0]} did not end within {TIMEOUT_S} s") from None
        except OSError as error:
            raise Failed(f"kubectl cannot be run: {error}") from None
        if done.returncode:
            said = done.stderr.strip() or f"it ended with {done.returncode}"
            raise Failed(f"kubectl {' '.join(arguments[:3])}: {said}")
        return done.stdout

    def json(self, *arguments: str, given: str = "") -> Json:
        """The object that it prints. Raises Failed."""
        found = self.objects(*arguments, given=given)
        return found[0] if found else {}

    def objects(self, *arguments: str, given: str = "") -> list[Json]:
        """All objects that it prints, those of a list each by itself. Raises Failed."""
        try:
            return [one for found in _each(self.text(*arguments, given=given)) for one in _items(found)]
        except ValueError as error:
            raise Failed(f"kubectl {' '.join(arguments[:3])} answered what is no JSON: {error}") from None

    def attached(self, *arguments: str) -> int:
        """Runs it on the person's own terminal until it ends; its exit status. Raises Failed."""
        try:
            return subprocess.run([*self._command, *arguments], env=self._environ, check=False).returncode
        except OSError as error:
            raise Failed(f"kubectl cannot be run: {error}") from None


def _each(text: str) -> Iterator[Json]:
    """It prints several objects one after the other."""
    decoder, at = json.JSONDecoder(), 0
    text = text.strip()
    while at < len(text):
        found, at = decoder.raw_decode(text, at)
        yield found
        while at < len(text) and text[at].isspace():
            at += 1


def _items(found: Json) -> Sequence[Json]:
    is_list = str(found.get("kind", "")).endswith("List") and "items" in found
    return cast("list[Json]", found["items"]) if is_list else [found]
