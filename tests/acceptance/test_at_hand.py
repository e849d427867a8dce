"""What a company does on a lease by hand, on a real node: a shell in what runs, and its lines as they are written."""

import os
import pty
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.acceptance.real import LONG_S, Real, runs
from tests.integration.kube.stand import soon
from tests.integration.kube.tenants import Tenant, tenant

pytestmark = pytest.mark.timeout(900)


class Terminal:
    """A person's, with a command on it."""

    def __init__(self, process: subprocess.Popen[bytes], screen: int) -> None:
        self.process, self._screen = process, screen
        self._seen = b""

    def types(self, line: str) -> None:
        os.write(self._screen, f"{line}\n".encode())

    def shows(self, what: str) -> bool:
        os.set_blocking(self._screen, False)
        # Where the command is over nothing comes any more, which is an error of its own.
        with suppress(OSError):
            self._seen += os.read(self._screen, 65_536)
        return what in self._seen.decode(errors="replace")


@contextmanager
def at_terminal(company: Tenant, *words: str) -> Iterator[Terminal]:
    screen, inside = pty.openpty()
    with subprocess.Popen(["dure", *words], env=company.environ, stdin=inside, stdout=inside, stderr=inside) as process:
        os.close(inside)
        try:
            yield Terminal(process, screen)
        finally:
            process.terminate()
            process.wait()
            os.close(screen)


def test_a_shell_is_opened_in_what_runs_on_a_lease_and_is_over_with_it(acme: Real, tmp_path: Path) -> None:
    with acme.loop(), tenant(acme, tmp_path) as company:
        soon(acme.has_key, "the company's key")
        lease = acme.ask(1, duration_s=600)
        acme.make(runs("works"))
        soon(lambda: acme.running() == {"works"}, "the pod to run", LONG_S)
        with at_terminal(company, "shell", lease.id) as person:
            soon(lambda: person.shows("#"), "the prompt", LONG_S)
            person.types("echo I am in $(hostname); exit 7")
            soon(lambda: person.shows("I am in works"), "the answer", LONG_S)
            assert person.process.wait(LONG_S) == 7
        with at_terminal(company, "shell", lease.id, "works") as person:
            soon(lambda: person.shows("#"), "the prompt", LONG_S)
            acme.release(lease)
            assert person.process.wait(LONG_S) != 0
        soon(lambda: acme.lease(lease).state == "ended", "the lease to end", LONG_S)


def test_what_runs_on_a_lease_is_followed_to_its_last_line(acme: Real, tmp_path: Path) -> None:
    said = tmp_path / "said"
    with acme.loop(), tenant(acme, tmp_path) as company:
        soon(acme.has_key, "the company's key")
        lease = acme.ask(2, duration_s=600)
        acme.make(runs("one"), runs("other"))
        soon(lambda: acme.running() == {"one", "other"}, "the pods to run", LONG_S)
        command = ["dure", "logs", lease.id, "--follow"]
        with said.open("w") as out, subprocess.Popen(command, env=company.environ, stdout=out) as process:
            began = [f"[pod/{name}/main] began" for name in ("one", "other")]
            soon(lambda: sorted(said.read_text().splitlines()) == began, "what both said", LONG_S)
            acme.release(lease)
            assert process.wait(LONG_S) == 0
        last = [line for line in said.read_text().splitlines() if "SIGTERM" in line]
        assert sorted(line.partition(" SIGTERM")[0] for line in last) == ["[pod/one/main]", "[pod/other/main]"]
