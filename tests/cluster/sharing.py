"""One cluster for all pytest workers of a run, kept by a process of its own while any of them lives.

Who uses it holds a shared lock, which the kernel lets go of however he ends; the keeper ends when it can have it alone.
`python -m tests.cluster.sharing FOLDER KIND` is that keeper.
"""

import fcntl
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from tests import servers
from tests.cluster import kinds
from tests.cluster.cluster import Cluster
from tests.cluster.daemons import NotReady

TREE = Path(__file__).resolve().parents[2]
LOOK_S = 0.1


@contextmanager
def shared(meeting: Path, kind: str) -> Iterator[Cluster]:
    """The cluster of a kind (see `kinds.py`) that all who name the same folder share. Raises NotReady."""
    with (meeting / f"{kind}.users").open("w") as users:
        with (meeting / f"{kind}.start").open("w") as start:
            fcntl.flock(start, fcntl.LOCK_EX)
            # Not before one that is just ending has ended.
            fcntl.flock(users, fcntl.LOCK_SH)
            found = _found(meeting, kind) or _launched(meeting, kind)
        cluster = Cluster(Path(found["folder"]), found["url"])
        try:
            yield cluster
        finally:
            cluster.close()


@contextmanager
def alone(cluster: Cluster) -> Iterator[None]:
    """With nobody else in a shared cluster who asks for the same, such as all the GPUs of its one node."""
    with (cluster.folder / "alone").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def keep(meeting: Path, kind: str) -> None:
    """Runs the cluster until nobody uses it."""
    said = meeting / f"{kind}.json"
    with (meeting / f"{kind}.users").open("w") as users, ExitStack() as stack:
        stack.callback(said.unlink, missing_ok=True)
        folder = stack.enter_context(servers.folder("cluster"))
        cluster = stack.enter_context(kinds.KINDS[kind](folder))
        part = said.with_suffix(".part")
        part.write_text(json.dumps({"folder": str(folder), "url": cluster.url}))
        part.replace(said)
        while not _alone(users):
            time.sleep(LOOK_S)


def _found(meeting: Path, kind: str) -> dict[str, str] | None:
    said = meeting / f"{kind}.json"
    return json.loads(said.read_text()) if said.exists() else None


def _launched(meeting: Path, kind: str) -> dict[str, str]:
    log = meeting / f"{kind}.log"
    command = [sys.executable, "-m", "tests.cluster.sharing", str(meeting), kind]
    with log.open("w") as out:
        # In a session of its own: a Ctrl-C is for the tests, which then let go of it.
        keeper = subprocess.Popen(
            command, cwd=TREE, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    while (found := _found(meeting, kind)) is None:
        if keeper.poll() is not None:
            raise NotReady(f"the shared cluster did not come up:\n{log.read_text()[-3000:]}")
        time.sleep(LOOK_S)
    # It outlives this process, and is no child to wait for.
    keeper.returncode = 0
    return found


def _alone(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    keep(Path(sys.argv[1]), sys.argv[2])
