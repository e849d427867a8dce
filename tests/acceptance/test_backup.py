"""`python -m deploy.local backup` and `restore`, as somebody at a laptop does it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dure import wire
from dure.errors import NotFound
from tests import servers
from tests.acceptance.stack import TREE, Stack

pytestmark = pytest.mark.timeout(900)

POOL = "h100-80gb"


def local(stack: Stack, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "deploy.local", *arguments]
    given = {**os.environ, "DURE_LOCAL_DATA": str(stack.data), **environ}
    return subprocess.run(command, cwd=TREE, env=given, capture_output=True, text=True, check=False)


def ask(stack: Stack, *, gpus: int) -> wire.Lease:
    with stack.client() as client:
        return client.ask(wire.Ask(pool=POOL, shape=wire.Shape(gpus=gpus), duration_s=3600, company="acme"))


def test_a_copy_of_the_embedded_database_is_made_while_it_runs_and_put_back_when_it_does_not() -> None:
    with servers.folder("backup") as folder, Stack(folder, nodes=1, gpus=4, embedded=True, example=True) as stack:
        nowhere = local(stack, "backup")
        assert (nowhere.returncode, "start it with `make up`" in nowhere.stderr) == (1, True)
        unlooked = local(stack, "verify")
        assert (unlooked.returncode, "start it with `make up`" in unlooked.stderr) == (1, True)
        stack.start()
        kept = ask(stack, gpus=1)
        looked = local(stack, "verify")
        assert (looked.returncode, looked.stdout.endswith("everything holds\n")) == (0, True), looked.stderr
        done = local(stack, "backup")
        assert done.returncode == 0, done.stderr
        copy = done.stdout.splitlines()[-1]
        assert (Path(copy) / "backup_label").exists()
        lost = ask(stack, gpus=1)
        running = local(stack, "restore", copy)
        assert (running.returncode, "end it first, with Ctrl-C" in running.stderr) == (1, True)
        assert stack.stop() == 0
        wrong = local(stack, "restore", str(folder))
        assert (wrong.returncode, "is no backup: name a folder" in wrong.stderr) == (1, True)
        theirs = local(stack, "restore", copy, DURE_DATABASE_URL="postgresql://db/dure")
        assert (theirs.returncode, "names a PostgreSQL of yours" in theirs.stderr) == (1, True)
        back = local(stack, "restore", copy)
        assert back.returncode == 0, back.stderr
        assert "everything holds" in back.stdout
        assert len(list((stack.data / "postgres").glob("data.before-*"))) == 1
        stack.start()
        with stack.client() as client:
            assert client.lease(kept.id).promised_start == kept.promised_start
            with pytest.raises(NotFound):
                client.lease(lost.id)
            assert client.verify_ledger().faults == []
