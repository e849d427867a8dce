"""The user's own kubectl: the only module that runs it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

Json = dict[str, Any]

TIMEOUT_S = 120

ENDS_WITHIN_S = 5
"""Of being told to; then it is killed."""

TRIES = 3
"""So often a kubelet that does not answer is asked."""

KUBELET = re.compile(r"[^\s\"/]+:10250\b")
NO_KUBELET = re.compile(r":10250\b|no preferred addresses found")
"""The API server's words for a kubelet that it does not reach, or that has no address at all."""


BESIDE = re.compile(r"Warning: |[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ [\w.-]+:\d+\] ")
"""The API server's advice, and lines of kubectl's own log as Kubernetes' programs write it."""


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
            said = _its_own_words(done.stderr.strip()) or f"it ended with {done.returncode}"
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

    def created(self, objects: Sequence[Mapping[str, Any]]) -> list[Json]:
        """Makes them, in their order, and gives them as the cluster has them. Raises Failed; others of them may be made then.

        They go as one list, which every kubectl reads: of JSON documents one after the other some take the first alone.
        """
        given = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        return self.objects("create", "--filename=-", "--output=json", given=given)

    def attached(self, *arguments: str) -> int:
        """Runs it on the person's own terminal until it ends, or we are told to end; its exit status.

        Raises Failed, also where a node's kubelet does not answer it: kubectl itself would say so for ever.
        """
        try:
            with _told_to_end() as told, _started([*self._command, *arguments], self._environ, told) as running:
                silent = _heard(running)
                if silent is not None:
                    raise Failed(silent)
                return running.wait()
        except OSError as error:
            raise Failed(f"kubectl cannot be run: {error}") from None


class _Told:
    """What tells us to end becomes an exception; one that comes while it is `held`, as soon as it is not."""

    def __init__(self) -> None:
        self._is_held = False
        self._number: int | None = None

    def __call__(self, number: int, _: object) -> None:
        self._number = number
        if not self._is_held:
            raise SystemExit(128 + number)

    @contextmanager
    def held(self) -> Generator[None]:
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
        if self._number is not None:
            raise SystemExit(128 + self._number)


@contextmanager
def _told_to_end() -> Generator[_Told]:
    """So that what we started ends too, and no key is left lying about."""
    told = _Told()
    before = signal.signal(signal.SIGTERM, told)
    try:
        yield told
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _started(words: Sequence[str], environ: Mapping[str, str], told: _Told) -> Generator[subprocess.Popen[str]]:
    """With its standard error on a pipe; it does not outlive this."""
    running: subprocess.Popen[str] | None = None
    try:
        with told.held():  # it runs before we know of it
            running = subprocess.Popen(words, env=environ, stderr=subprocess.PIPE, text=True, errors="replace")
        yield running
    finally:
        if running is not None:
            _end(running)


def _end(running: subprocess.Popen[str]) -> None:
    if running.poll() is None:
        running.terminate()
        _ended(running)
    if running.stderr is not None:
        running.stderr.close()


def _ended(running: "subprocess.Popen[str]") -> None:
    try:
        running.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()


def _heard(running: "subprocess.Popen[str]") -> str | None:
    """Tells on what it says on standard error, but for kubelets that do not answer; of these in one sentence, once it is over or has
    tried often enough.
    """
    silent: list[str] = []
    for line in running.stderr or ():
        if NO_KUBELET.search(line) is None:
            sys.stderr.write(line)
            sys.stderr.flush()
            continue
        silent.append(line)
        if len(silent) == TRIES:
            break
    if not silent:
        return None
    where = KUBELET.search(silent[0])
    return (
        f"the kubelet of the pod's node does not answer{f' at {where[0]}' if where else ''} (a simulated node has none), so nothing "
        "is read or run there; dure pods shows what is known of the pods"
    )


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


def _its_own_words(said: str) -> str:
    """Why it failed, without what the API server advises beside it, and without the log of kubectl's own tries."""
    others = [line for line in said.splitlines() if BESIDE.match(line) is None]
    return "\n".join(others) or said
