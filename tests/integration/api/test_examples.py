"""The examples of the documentation are what really goes over the wire, told again here.

`DURE_TEST_RECORD=1 pytest tests/integration/api/test_examples.py` writes them anew.
"""

import json
import os
import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from api import examples
from api.app import create_app
from scheduler.kube.clusters import ClusterAddress
from scheduler.kube.keys import Keys
from scheduler.service import Service
from scheduler.store.books import Books
from scheduler.store.db import Database
from tests.integration.api.conftest import SetClock
from tests.integration.api.story import Json, Story
from tests.kube_server import kube_server
from tests.receiver import LOOPBACK, receiver
from tests.served import served

FILE = Path(examples.__file__).with_name("examples.json")
CHANCE = re.compile(r"\b(?:(lea|dec|tok|alo|off|drn|whk|tst|vio)_[0-9a-z]{20}|[0-9a-f]{64})\b")
"""Ids, and the digests of what has ids in it."""

CURSOR = re.compile(r'("next_cursor": )"[^"]+"')


@pytest.fixture
def told(database: Database, tmp_path: Path) -> dict[str, list[Json]]:
    clock = SetClock()
    with kube_server(clock.now, tmp_path) as cluster, receiver() as there:
        keys = Keys(
            [ClusterAddress(name="main", kubeconfig=str(cluster.kubeconfig))], {"main": "https://k8s.example.org:6443"}
        )
        app = create_app(database, clock, Service(Books()), networks=[ip_network(LOOPBACK)], keys=keys)
        with served(app) as url:
            return Story(url, database, clock, there.url).tell()


def test_the_examples_are_what_goes_over_the_wire(told: dict[str, list[Json]]) -> None:
    if os.environ.get("DURE_TEST_RECORD"):
        FILE.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    recorded = json.loads(_steady(FILE.read_text()))
    for operation, exchanges in json.loads(_steady(json.dumps(told))).items():
        assert recorded[operation] == exchanges, f"{operation} has changed; the top of this file says how to record"
    assert set(recorded) == set(told)


def _steady(text: str) -> str:
    """What two tellings have alike; a cursor may have an id in it."""
    return CURSOR.sub(r"\1null", CHANCE.sub(r"\1", text))
