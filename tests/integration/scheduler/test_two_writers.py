"""Two real processes ask for the last free GPU at once, again and again: one of them gets it, never both."""

import subprocess
import sys

from sqlalchemy import text

from tests.integration.scheduler.conftest import T0, World

ROUNDS = 40

WRITER = """
import sys
from datetime import UTC, datetime
from dure import wire
from scheduler.actor import Actor
from scheduler.service import Service
from scheduler.store.books import Books
from scheduler.store.db import Database

url, who, rounds, now = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
db, service = Database(url, pool_size=1), Service(Books())
actor = Actor(role=wire.Role.COMPANY, token="tok", company=who)
print("ready", flush=True)
sys.stdin.readline()
for number in range(rounds):
    body = wire.Ask(pool="h100", shape=wire.Shape(gpus=1), duration_s=60, queue=False,
                    start=datetime.fromtimestamp(int(now) + number * 100, UTC))
    with db.begin() as session:
        lease = service.ask(session, body, actor=actor, now=now)
    print(number, lease.state.value, lease.decision.code, flush=True)
db.close()
"""


def _writer(url: str, who: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, url, who, str(ROUNDS), str(T0)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_processes_that_ask_for_the_last_gpu_never_both_get_it(any_database_url: str, any_database: object) -> None:
    world = World(any_database).found(nodes_=("n1",), gpus=1)  # type: ignore[arg-type]
    writers = [_writer(world.db.url, who) for who in ("acme", "globex")]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    answers = [writer.communicate(timeout=240)[0].splitlines() for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0]

    outcomes: dict[int, list[str]] = {}
    for line in [*answers[0], *answers[1]]:
        number, state, _ = line.split()
        outcomes.setdefault(int(number), []).append(state)
    assert len(outcomes) == ROUNDS
    assert all(sorted(states) == ["refused", "scheduled"] for states in outcomes.values())
    with world.db.snapshot() as session:
        generation = session.connection().execute(text("SELECT generation FROM pool")).scalar_one()
        promised = (
            session.connection().execute(text("SELECT count(*) FROM lease WHERE state = 'scheduled'")).scalar_one()
        )
    assert promised == ROUNDS
    assert generation >= ROUNDS
